package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"time"
)

const boundary = "----landfallbench7MA4YWxkTrZu0gW"

// part is what stands around the bytes of a file in a form. drf-chunked-upload wants its name in a
// field of its own.
func part(field string) (before, after string) {
	if field == "file" {
		before = fmt.Sprintf("--%s\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\nbench.bin\r\n", boundary)
	}
	before += fmt.Sprintf("--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"bench.bin\"\r\n"+
		"Content-Type: application/octet-stream\r\n\r\n", boundary, field)
	return before, fmt.Sprintf("\r\n--%s--\r\n", boundary)
}

// sendForm sends bytes [from, from+length) of the content as a form, and expects a 2xx.
func sendForm(c *conn, method, field string, target *url.URL, job Job, file *os.File, size, from, length int64, more ...string) (answer, error) {
	before, after := part(field)
	whole := int64(len(before)+len(after)) + length
	more = append(more, "Content-Type", "multipart/form-data; boundary="+boundary)
	if _, err := c.tcp.Write([]byte(head(method, target, job.Headers, whole, more...) + before)); err != nil {
		return answer{}, err
	}
	if err := c.sendFile(file, size, from, length); err != nil {
		return answer{}, err
	}
	if _, err := c.tcp.Write([]byte(after)); err != nil {
		return answer{}, err
	}
	return c.expect(method)
}

// form sends one file as a form, in the field `f`.
func form(job Job) (Result, error) {
	target, err := url.Parse(job.URL)
	if err != nil {
		return Result{}, err
	}
	return each(job, func(c *conn, n int) error {
		file, size, err := openContent(job.File)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = sendForm(c, "POST", "f", target, job, file, size, 0, job.Size)
		return err
	})
}

// chunked sends one file as drf-chunked-upload has it: PUT, PUT, …, and a POST of the digest.
func chunked(job Job) (Result, error) {
	target, err := url.Parse(job.URL)
	if err != nil {
		return Result{}, err
	}
	file, size, err := openContent(job.File)
	if err != nil {
		return Result{}, err
	}
	defer file.Close()
	c, err := dial(target.Host)
	if err != nil {
		return Result{}, err
	}
	defer c.close()
	began := time.Now()
	at := target
	for from := int64(0); from < job.Size; from += job.Chunk {
		length := min(job.Chunk, job.Size-from)
		span := fmt.Sprintf("bytes %d-%d/%d", from, from+length-1, job.Size)
		got, err := sendForm(c, "PUT", "file", at, job, file, size, from, length, "Content-Range", span)
		if err != nil {
			return Result{}, err
		}
		if from > 0 {
			continue
		}
		var created struct{ URL string }
		if err := json.Unmarshal(got.body, &created); err != nil {
			return Result{}, err
		}
		if at, err = resolve(target, created.URL); err != nil {
			return Result{}, err
		}
	}
	sent := time.Now()
	_, err = c.exchange("POST", at, job.Headers, "md5="+job.MD5,
		"Content-Type", "application/x-www-form-urlencoded")
	return Result{
		Seconds:         time.Since(began).Seconds(),
		CompleteSeconds: time.Since(sent).Seconds(),
		Done:            1,
		Location:        at.String(),
	}, err
}

// get reads a URL to its end, again and again.
func get(job Job) (Result, error) {
	target, err := url.Parse(job.URL)
	if err != nil {
		return Result{}, err
	}
	return each(job, func(c *conn, n int) error {
		if _, err := c.tcp.Write([]byte(head("GET", target, job.Headers, -1))); err != nil {
			return err
		}
		got, err := c.expect("GET")
		if length := got.header.Get("Content-Length"); err == nil && job.Size > 0 && length != fmt.Sprint(job.Size) {
			return fmt.Errorf("Content-Length is %q, not %d", length, job.Size)
		}
		return err
	})
}
