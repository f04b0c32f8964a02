package main

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Sends of a slow upload in a second.
const beats = 4

// slow keeps `concurrency` uploads going at `rate` bytes a second each; one that is complete is
// followed by the next, until the time is over.
func slow(job Job) (Result, error) {
	base, err := url.Parse(job.URL)
	if err != nil {
		return Result{}, err
	}
	content, err := firstBytes(job.File, max(1, job.Rate/beats))
	if err != nil {
		return Result{}, err
	}
	until := time.Now().Add(time.Duration(job.Seconds * float64(time.Second)))
	var done atomic.Int64
	var first atomic.Value
	var group sync.WaitGroup
	for n := 0; n < job.Concurrency; n++ {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			// Not all of them end at the same moment.
			size := job.Size - job.Size*int64(n%10)/20
			for time.Now().Before(until) {
				isComplete, err := oneSlow(base, job, n, size, content, until)
				if err != nil {
					first.CompareAndSwap(nil, err)
					return
				}
				if isComplete {
					done.Add(1)
				}
			}
		}(n)
	}
	group.Wait()
	if err, failed := first.Load().(error); failed {
		return Result{}, err
	}
	return Result{Done: int(done.Load())}, nil
}

func oneSlow(base *url.URL, job Job, n int, size int64, content []byte, until time.Time) (bool, error) {
	c, err := dial(base.Host)
	if err != nil {
		return false, err
	}
	defer c.close()
	creation := job
	creation.Size = size
	creation.CreateOnly = true
	location, err := oneTus(c, base, creation, n, nil)
	if err != nil {
		return false, err
	}
	target, err := resolve(base, location)
	if err != nil {
		return false, err
	}
	request := head("PATCH", target, job.Headers, size, "Tus-Resumable", tusVersion,
		"Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")
	if _, err := c.tcp.Write([]byte(request)); err != nil {
		return false, err
	}
	for sent := int64(0); sent < size; {
		if time.Now().After(until) {
			return false, nil
		}
		piece := content[:min(int64(len(content)), size-sent)]
		if _, err := c.tcp.Write(piece); err != nil {
			return false, err
		}
		sent += int64(len(piece))
		time.Sleep(time.Second / beats)
	}
	_, err = c.expect("PATCH")
	return true, err
}

// wait sends `count` PATCHes for one upload that somebody else has in hand, each on a connection of
// its own, and cuts them when the time is over. One that was answered before did not wait.
func wait(job Job) (Result, error) {
	target, err := url.Parse(job.URL)
	if err != nil {
		return Result{}, err
	}
	request := head("PATCH", target, job.Headers, 1, "Tus-Resumable", tusVersion,
		"Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")
	connections := make([]*conn, job.Count)
	for n := range connections {
		c, err := dial(target.Host)
		if err != nil {
			return Result{}, err
		}
		defer c.close()
		if _, err := c.tcp.Write([]byte(request + "x")); err != nil {
			return Result{}, err
		}
		connections[n] = c
	}
	until := time.Now().Add(time.Duration(job.Seconds * float64(time.Second)))
	for n, c := range connections {
		if err := c.tcp.SetReadDeadline(until); err != nil {
			return Result{}, err
		}
		if line, err := c.reader.ReadString('\n'); err == nil {
			return Result{}, fmt.Errorf("waiter %d was answered: %s", n, strings.TrimSpace(line))
		}
	}
	return Result{Done: job.Count}, nil
}
