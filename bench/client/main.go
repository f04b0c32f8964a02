// The client of the benchmark: one job from its argument as JSON, one result to its output as JSON.
// It writes requests to the socket itself and has the kernel send the files, so that it takes next
// to nothing of a machine whose other core is the server's.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Job is what to do. Which members count depends on Mode.
type Job struct {
	Mode    string
	URL     string
	Headers map[string]string
	File    string
	// Bytes of one upload; past the end of File it begins again.
	Size int64
	// Uploads or requests in all, and how many of them at a time.
	Count       int
	Concurrency int
	// tus: the bytes go with the POST that creates the upload.
	WithUpload bool
	// tus: the upload is created and left alone.
	CreateOnly bool
	// chunked: bytes of one chunk, and the digest that completes the upload.
	Chunk int64
	MD5   string
	// slow: bytes per second of one upload, and seconds until everything is cut.
	Rate    int64
	Seconds float64
}

// Result is what was measured; times are seconds.
type Result struct {
	Seconds float64 `json:"seconds"`
	// Of a chunked upload, the request that completes it.
	CompleteSeconds float64 `json:"completeSeconds"`
	// Of the single requests, or uploads.
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	// Processor time that the client itself took.
	ClientCPU float64 `json:"clientCpu"`
	Done      int     `json:"done"`
	// Where the last upload is.
	Location string `json:"location"`
}

var modes = map[string]func(Job) (Result, error){
	"tus":     tus,
	"chunked": chunked,
	"form":    form,
	"get":     get,
	"slow":    slow,
	"wait":    wait,
}

func main() {
	var job Job
	if len(os.Args) != 2 {
		fail(fmt.Errorf("one argument: the job as JSON"))
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &job); err != nil {
		fail(err)
	}
	mode, known := modes[job.Mode]
	if !known {
		fail(fmt.Errorf("no mode %q", job.Mode))
	}
	began := time.Now()
	result, err := mode(job)
	if err != nil {
		fail(err)
	}
	if result.Seconds == 0 {
		result.Seconds = time.Since(began).Seconds()
	}
	result.ClientCPU = cpuSeconds()
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
