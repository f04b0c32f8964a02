package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

// conn is one connection that is kept, and opened again where the server has closed it.
type conn struct {
	host   string
	tcp    *net.TCPConn
	reader *bufio.Reader
	buffer []byte
}

// answer is a response whose body has been read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func dial(host string) (*conn, error) {
	c := &conn{host: host, buffer: make([]byte, 256<<10)}
	return c, c.open()
}

func (c *conn) open() error {
	tcp, err := net.Dial("tcp", c.host)
	if err != nil {
		return err
	}
	c.tcp = tcp.(*net.TCPConn)
	c.reader = bufio.NewReaderSize(c.tcp, 64<<10)
	return nil
}

func (c *conn) close() { c.tcp.Close() }

// head is a request up to its body, with a length.
func head(method string, target *url.URL, headers map[string]string, length int64, more ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target.RequestURI(), target.Host)
	for name, value := range headers {
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	for i := 0; i+1 < len(more); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", more[i], more[i+1])
	}
	if length >= 0 {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", length)
	}
	b.WriteString("\r\n")
	return b.String()
}

// receive reads one answer. Bytes of the body past the first 64 KiB are counted and dropped.
func (c *conn) receive(method string) (answer, error) {
	response, err := http.ReadResponse(c.reader, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err == nil {
		_, err = io.CopyBuffer(onlyWriter{}, response.Body, c.buffer)
	}
	response.Body.Close()
	if err == nil && response.Close {
		c.tcp.Close()
		err = c.open()
	}
	return answer{response.StatusCode, response.Header, body}, err
}

// onlyWriter drops bytes, and has no way of its own to read them in small pieces.
type onlyWriter struct{}

func (onlyWriter) Write(p []byte) (int, error) { return len(p), nil }

// exchange sends a request with a body that is at hand, and expects a 2xx.
func (c *conn) exchange(method string, target *url.URL, headers map[string]string, body string, more ...string) (answer, error) {
	if _, err := c.tcp.Write([]byte(head(method, target, headers, int64(len(body)), more...) + body)); err != nil {
		return answer{}, err
	}
	return c.expect(method)
}

func (c *conn) expect(method string) (answer, error) {
	got, err := c.receive(method)
	if err == nil && (got.status < 200 || got.status > 299) {
		err = fmt.Errorf("%s: %d %s", method, got.status, got.body)
	}
	return got, err
}

// sendFile has the kernel send bytes [from, from+length) of a content that repeats the file.
func (c *conn) sendFile(file *os.File, fileSize, from, length int64) error {
	for length > 0 {
		at := from % fileSize
		piece := min(length, fileSize-at)
		if _, err := file.Seek(at, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(c.tcp, file, piece); err != nil {
			return err
		}
		from += piece
		length -= piece
	}
	return nil
}

func openContent(path string) (*os.File, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// resolve makes the URL of a Location, which may be relative or without a scheme's host.
func resolve(base *url.URL, location string) (*url.URL, error) {
	target, err := base.Parse(location)
	if err != nil || location == "" {
		return nil, fmt.Errorf("no usable Location: %q", location)
	}
	// Whatever name the server gives itself, it is reached where it was found.
	target.Scheme, target.Host = base.Scheme, base.Host
	return target, nil
}

// each does `count` things, `concurrency` at a time, each worker on a connection of its own.
func each(job Job, do func(c *conn, n int) error) (Result, error) {
	target, err := url.Parse(job.URL)
	if err != nil {
		return Result{}, err
	}
	workers := max(1, min(job.Concurrency, job.Count))
	times := make([]float64, job.Count)
	numbers := make(chan int, job.Count)
	for n := 0; n < job.Count; n++ {
		numbers <- n
	}
	close(numbers)
	failures := make(chan error, workers)
	var group sync.WaitGroup
	began := time.Now()
	for w := 0; w < workers; w++ {
		group.Add(1)
		go func() {
			defer group.Done()
			c, err := dial(target.Host)
			if err != nil {
				failures <- err
				return
			}
			defer c.close()
			for n := range numbers {
				at := time.Now()
				if err := do(c, n); err != nil {
					failures <- err
					return
				}
				times[n] = time.Since(at).Seconds()
			}
		}()
	}
	group.Wait()
	seconds := time.Since(began).Seconds()
	select {
	case err := <-failures:
		return Result{}, err
	default:
	}
	sort.Float64s(times)
	rank := func(share float64) float64 { return times[min(len(times)-1, int(share*float64(len(times))))] }
	return Result{Seconds: seconds, P50: rank(0.5), P95: rank(0.95), P99: rank(0.99), Done: job.Count}, nil
}
