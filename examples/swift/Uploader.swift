import Foundation

/// Sends a file to Landfall. URLSession itself speaks Resumable Uploads for HTTP from iOS 17 and
/// macOS 14 on: this only keeps what it needs to go on, over restarts of the app too.
///
///     let uploader = Uploader(server: URL(string: "https://files.example.org")!, token: "lf_…")
///     let record = try await uploader.upload(file)
///
/// The server must send 104 (RESUMABLE_HTTP_INTERIM=true): it is how URLSession learns where its
/// upload is.
final class Uploader {
    /// The part of a record of the library that an app shows.
    struct Record: Decodable {
        let id: Int
        let name: String
        let size: Int
        let f: URL
    }

    struct Refused: Error {
        let status: Int
        let body: String
    }

    private let server: URL
    private let token: String
    private let session: URLSession
    /// Where what is needed to go on is kept, one file for each upload.
    private let notes: URL

    init(server: URL, token: String, session: URLSession = .shared) {
        self.server = server
        self.token = token
        self.session = session
        notes = URL.cachesDirectory.appending(path: "landfall-uploads")
    }

    /// Sends the file, or what the server has not got of it yet, and gives its record. The file must
    /// stay where it is, unchanged, until then.
    func upload(_ file: URL, tries: Int = 5) async throws -> Record {
        var resume = try? Data(contentsOf: note(of: file))
        for attempt in 1... {
            do {
                let (data, response) = try await send(file, resumingWith: resume)
                try? FileManager.default.removeItem(at: note(of: file))
                let status = (response as? HTTPURLResponse)?.statusCode ?? 0
                guard status == 201 else {
                    throw Refused(status: status, body: String(decoding: data, as: UTF8.self))
                }
                return try JSONDecoder().decode(Record.self, from: data)
            } catch let error as URLError where attempt < tries {
                // Without it the server never said where the upload is: begin anew.
                resume = error.uploadTaskResumeData
                try keep(resume, for: file)
                try await Task.sleep(for: .seconds(attempt * attempt))
            } catch let error as URLError {
                try keep(error.uploadTaskResumeData, for: file)
                throw error
            }
        }
        fatalError("the loop ends by return or throw")
    }

    private func send(_ file: URL, resumingWith resume: Data?) async throws -> (Data, URLResponse) {
        try await withCheckedThrowingContinuation { continuation in
            let done = { (data: Data?, response: URLResponse?, error: Error?) in
                if let data, let response {
                    continuation.resume(returning: (data, response))
                } else {
                    continuation.resume(throwing: error ?? URLError(.unknown))
                }
            }
            let task = if let resume {
                session.uploadTask(withResumeData: resume, completionHandler: done)
            } else {
                session.uploadTask(with: creation(of: file), fromFile: file, completionHandler: done)
            }
            task.resume()
        }
    }

    private func creation(of file: URL) -> URLRequest {
        var request = URLRequest(url: server.appending(path: "files/"))
        request.httpMethod = "POST"
        request.setValue("Token \(token)", forHTTPHeaderField: "Authorization")
        // RFC 8187: a name may have any letters.
        let name = file.lastPathComponent.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        request.setValue("attachment; filename*=UTF-8''\(name)", forHTTPHeaderField: "Content-Disposition")
        return request
    }

    private func keep(_ resume: Data?, for file: URL) throws {
        guard let resume else { return }
        try FileManager.default.createDirectory(at: notes, withIntermediateDirectories: true)
        try resume.write(to: note(of: file), options: .atomic)
    }

    private func note(of file: URL) -> URL {
        let key = Data(file.path.utf8).base64EncodedString().replacingOccurrences(of: "/", with: "_")
        return notes.appending(path: key)
    }
}
