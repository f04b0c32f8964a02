import { canonicalMime } from './file-types.ts'

const openXml = 'application/vnd.openxmlformats-officedocument.'
const openDocument = 'application/vnd.oasis.opendocument.'

/** MIME type, then the extensions that mean it. `.ts` is missing: it is code or video. */
const table: readonly (readonly [mimeType: string, extensions: string])[] = [
  ['application/pdf', 'pdf'],
  ['application/msword', 'doc dot'],
  [`${openXml}wordprocessingml.document`, 'docx'],
  [`${openXml}wordprocessingml.template`, 'dotx'],
  ['application/vnd.ms-word.document.macroenabled.12', 'docm'],
  ['application/vnd.ms-word.template.macroenabled.12', 'dotm'],
  [`${openDocument}text`, 'odt'],
  [`${openDocument}text-template`, 'ott'],
  [`${openDocument}text-flat-xml`, 'fodt'],
  ['application/rtf', 'rtf'],
  ['application/epub+zip', 'epub'],
  ['application/vnd.apple.pages', 'pages'],
  ['application/vnd.ms-excel', 'xls xlt xla'],
  [`${openXml}spreadsheetml.sheet`, 'xlsx'],
  [`${openXml}spreadsheetml.template`, 'xltx'],
  ['application/vnd.ms-excel.sheet.macroenabled.12', 'xlsm'],
  ['application/vnd.ms-excel.sheet.binary.macroenabled.12', 'xlsb'],
  ['application/vnd.ms-excel.template.macroenabled.12', 'xltm'],
  [`${openDocument}spreadsheet`, 'ods'],
  [`${openDocument}spreadsheet-template`, 'ots'],
  [`${openDocument}spreadsheet-flat-xml`, 'fods'],
  ['text/csv', 'csv'],
  ['text/tab-separated-values', 'tsv tab'],
  ['application/vnd.apple.numbers', 'numbers'],
  ['application/vnd.ms-powerpoint', 'ppt pps pot'],
  [`${openXml}presentationml.presentation`, 'pptx'],
  [`${openXml}presentationml.slideshow`, 'ppsx'],
  [`${openXml}presentationml.template`, 'potx'],
  ['application/vnd.ms-powerpoint.presentation.macroenabled.12', 'pptm'],
  ['application/vnd.ms-powerpoint.slideshow.macroenabled.12', 'ppsm'],
  ['application/vnd.ms-powerpoint.template.macroenabled.12', 'potm'],
  [`${openDocument}presentation`, 'odp'],
  [`${openDocument}presentation-template`, 'otp'],
  [`${openDocument}presentation-flat-xml`, 'fodp'],
  ['application/vnd.apple.keynote', 'key'],
  ['application/zip', 'zip'],
  ['application/gzip', 'gz tgz'],
  ['application/x-bzip2', 'bz2 tbz2'],
  ['application/x-xz', 'xz txz'],
  ['application/x-lzma', 'lzma'],
  ['application/x-lzip', 'lz'],
  ['application/zstd', 'zst tzst'],
  ['application/x-brotli', 'br'],
  ['application/x-lz4', 'lz4'],
  ['application/x-7z-compressed', '7z'],
  ['application/x-rar-compressed', 'rar'],
  ['application/x-tar', 'tar'],
  ['application/x-cpio', 'cpio'],
  ['application/vnd.ms-cab-compressed', 'cab'],
  ['application/x-lzh-compressed', 'lzh lha'],
  ['image/jpeg', 'jpg jpeg jpe jfif'],
  ['image/png', 'png apng'],
  ['image/gif', 'gif'],
  ['image/webp', 'webp'],
  ['image/avif', 'avif'],
  ['image/heic', 'heic heif'],
  ['image/tiff', 'tif tiff'],
  ['image/bmp', 'bmp dib'],
  ['image/x-icon', 'ico cur'],
  ['image/svg+xml', 'svg'],
  ['image/vnd.adobe.photoshop', 'psd'],
  ['image/jxl', 'jxl'],
  ['image/jp2', 'jp2'],
  ['video/mp4', 'mp4 m4v'],
  ['video/quicktime', 'mov qt'],
  ['video/webm', 'webm'],
  ['video/matroska', 'mkv'],
  ['video/vnd.avi', 'avi'],
  ['video/mpeg', 'mpg mpeg vob'],
  ['video/mp2t', 'mts m2ts'],
  ['video/ogg', 'ogv'],
  ['video/x-ms-asf', 'wmv asf'],
  ['video/x-flv', 'flv'],
  ['video/3gpp', '3gp'],
  ['audio/mpeg', 'mp3 mp2'],
  ['audio/mp4', 'm4a m4b'],
  ['audio/aac', 'aac'],
  ['audio/ogg', 'oga ogg opus spx'],
  ['audio/flac', 'flac'],
  ['audio/wav', 'wav'],
  ['audio/aiff', 'aif aiff aifc'],
  ['audio/matroska', 'mka'],
  ['audio/x-ms-asf', 'wma'],
  ['audio/midi', 'mid midi'],
  ['text/plain', 'txt text log ini conf cfg env diff patch tex bib srt sh bash zsh bat ps1'],
  ['text/plain', 'c h cc cpp hpp cs java kt go rs py rb php pl lua swift scala r jsx tsx vue'],
  ['text/markdown', 'md markdown'],
  ['text/html', 'html htm'],
  ['text/css', 'css'],
  ['text/javascript', 'js mjs cjs'],
  ['text/calendar', 'ics'],
  ['text/vcard', 'vcf'],
  ['text/vtt', 'vtt'],
  ['application/json', 'json geojson ipynb map'],
  ['application/x-ndjson', 'jsonl ndjson'],
  ['application/xml', 'xml xsd xsl xslt rss atom gpx kml'],
  ['application/xhtml+xml', 'xhtml'],
  ['application/yaml', 'yaml yml'],
  ['application/toml', 'toml'],
  ['application/sql', 'sql'],
  ['application/java-archive', 'jar war ear'],
  ['application/vnd.android.package-archive', 'apk'],
  ['application/x-msdownload', 'exe dll'],
  ['application/x-apple-diskimage', 'dmg'],
  ['application/x-iso9660-image', 'iso'],
  ['application/x-sqlite3', 'sqlite sqlite3'],
  ['font/ttf', 'ttf'],
  ['font/otf', 'otf'],
  ['font/woff', 'woff'],
  ['font/woff2', 'woff2'],
]

const mimeTypes = new Map(
  table.flatMap(([mimeType, extensions]) =>
    extensions.split(' ').map((extension) => [extension, mimeType] as const),
  ),
)

/** What follows the last dot of a name, in lower case; '' where there is nothing. */
export const extensionOf = (name: string): string =>
  /\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase() ?? ''

/** The MIME type that a name's extension stands for, or null where it says nothing. */
export const mimeOfName = (name: string): string | null => mimeTypes.get(extensionOf(name)) ?? null

/** What a client said about a file: never more than a hint. */
export interface Hints {
  name: string
  declaredType: string | null
}

/** What the hints stand for, the name first: browsers derive the declared type from it. */
export const hintedMimes = (hints: Hints): string[] =>
  [mimeOfName(hints.name), canonicalMime(hints.declaredType ?? '')].filter((mime) => mime !== null)
