package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const warmUp = 300 * time.Millisecond

func library() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/spiffe/go-spiffe/v2" {
				return "go-spiffe " + module.Version
			}
		}
	}
	return "go-spiffe"
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// ready tells who measures that everything is warm, and waits for a line from them.
func ready() error {
	print(fields{"ready": true, "library": library()})
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

// repeat makes one call after the other and prints how long each took.
func repeat(seconds float64, call func() error) error {
	for end := time.Now().Add(warmUp); time.Now().Before(end); {
		if err := call(); err != nil {
			return err
		}
	}
	if err := ready(); err != nil {
		return err
	}
	latencies, cpu, begin := []int64{}, cpuSeconds(), time.Now()
	for last := begin; last.Sub(begin).Seconds() < seconds; {
		if err := call(); err != nil {
			return err
		}
		now := time.Now()
		latencies = append(latencies, now.Sub(last).Nanoseconds())
		last = now
	}
	print(fields{"latencies_ns": latencies, "seconds": time.Since(begin).Seconds(), "cpu_s": cpuSeconds() - cpu})
	return nil
}

func measureFetch(ctx context.Context, seconds float64) error {
	return repeat(seconds, func() error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		_, err := workloadapi.FetchX509Context(ctx) // which connects, and closes its connection
		return err
	})
}

func measureJWT(ctx context.Context, seconds float64, audience string) error {
	client, err := workloadapi.New(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	return repeat(seconds, func() error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		_, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
		return err
	})
}

type counted struct {
	updates chan<- int64
}

func (c counted) OnX509ContextUpdate(*workloadapi.X509Context) {
	c.updates <- time.Now().UnixNano()
}

func (c counted) OnX509ContextWatchError(err error) {
	fmt.Fprintln(os.Stderr, err)
}

// take waits for so many updates.
func take(ctx context.Context, updates <-chan int64, count int) ([]int64, error) {
	arrivals := []int64{}
	for len(arrivals) < count {
		select {
		case arrival := <-updates:
			arrivals = append(arrivals, arrival)
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d streams have it: %w", len(arrivals), count, ctx.Err())
		}
	}
	return arrivals, nil
}

// measureWatch prints when each of so many clients, each with a connection and a stream, has the next update.
func measureWatch(ctx context.Context, streams int) error {
	ctx, cancel := context.WithTimeout(ctx, 4*callTimeout)
	defer cancel()
	updates := make(chan int64, streams)
	for range streams {
		go workloadapi.WatchX509Context(ctx, counted{updates})
	}
	if _, err := take(ctx, updates, streams); err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	cpu := cpuSeconds()
	arrivals, err := take(ctx, updates, streams)
	if err != nil {
		return err
	}
	print(fields{"arrivals_ns": arrivals, "cpu_s": cpuSeconds() - cpu})
	return nil
}

func measure(ctx context.Context, kind string, rest []string) error {
	amount, err := strconv.ParseFloat(rest[0], 64)
	switch {
	case err != nil || amount <= 0:
		return fmt.Errorf("not a positive number: %s", rest[0])
	case kind == "fetch" && len(rest) == 1:
		return measureFetch(ctx, amount)
	case kind == "jwt" && len(rest) == 2:
		return measureJWT(ctx, amount, rest[1])
	case kind == "watch" && len(rest) == 1:
		return measureWatch(ctx, int(amount))
	}
	return fmt.Errorf("no such measurement: %s", kind)
}
