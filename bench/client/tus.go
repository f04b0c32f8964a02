package main

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
)

const tusVersion = "1.0.0"

// tus makes uploads with tus 1.0: POST and PATCH, or one POST with the bytes.
func tus(job Job) (Result, error) {
	base, err := url.Parse(job.URL)
	if err != nil {
		return Result{}, err
	}
	var small []byte
	if job.WithUpload {
		if small, err = firstBytes(job.File, job.Size); err != nil {
			return Result{}, err
		}
	}
	var last sync.Map
	result, err := each(job, func(c *conn, n int) error {
		location, err := oneTus(c, base, job, n, small)
		last.Store("location", location)
		return err
	})
	if location, known := last.Load("location"); known && err == nil {
		result.Location = location.(string)
	}
	return result, err
}

func oneTus(c *conn, base *url.URL, job Job, n int, small []byte) (string, error) {
	name := base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("bench-%d.bin", n)))
	creation := []string{
		"Tus-Resumable", tusVersion,
		"Upload-Length", strconv.FormatInt(job.Size, 10),
		"Upload-Metadata", "filename " + name,
	}
	if job.WithUpload {
		creation = append(creation, "Content-Type", "application/offset+octet-stream")
	}
	created, err := c.exchange("POST", base, job.Headers, string(small), creation...)
	if err != nil {
		return "", err
	}
	target, err := resolve(base, created.header.Get("Location"))
	if err != nil || job.CreateOnly {
		return created.header.Get("Location"), err
	}
	if job.WithUpload {
		return target.String(), offsetIs(created, job.Size)
	}
	file, size, err := openContent(job.File)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := sendTus(c, target, job, file, size); err != nil {
		return "", err
	}
	patched, err := c.expect("PATCH")
	if err != nil {
		return "", err
	}
	return target.String(), offsetIs(patched, job.Size)
}

func sendTus(c *conn, target *url.URL, job Job, file *os.File, size int64) error {
	request := head("PATCH", target, job.Headers, job.Size,
		"Tus-Resumable", tusVersion,
		"Upload-Offset", "0",
		"Content-Type", "application/offset+octet-stream")
	if _, err := c.tcp.Write([]byte(request)); err != nil {
		return err
	}
	return c.sendFile(file, size, 0, job.Size)
}

// A server that took fewer bytes than were sent would look fast.
func offsetIs(got answer, size int64) error {
	if offset := got.header.Get("Upload-Offset"); offset != strconv.FormatInt(size, 10) {
		return fmt.Errorf("Upload-Offset is %q, not %d", offset, size)
	}
	return nil
}

func firstBytes(path string, size int64) ([]byte, error) {
	file, _, err := openContent(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	bytes := make([]byte, size)
	_, err = file.ReadAt(bytes, 0)
	return bytes, err
}
