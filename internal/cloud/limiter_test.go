package cloud

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// bucket is AWS's side: a token bucket.
type bucket struct {
	mu         sync.Mutex
	tokens     float64
	size, rate float64
	filled     time.Time
	lost       float64 // this part is throttled whatever the rate
}

func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.size, b.tokens+b.rate*now.Sub(b.filled).Seconds())
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// load calls through a limit as fast as it may, for a while, and returns how
// often AWS agreed and refused.
func load(t *testing.T, l *limit, b *bucket, workers int, d time.Duration) (good, refused int64) {
	var ok, no atomic.Int64
	var group sync.WaitGroup
	end := time.Now().Add(d)
	for range workers {
		group.Go(func() {
			for attempt := 1; time.Now().Before(end); attempt++ {
				if err := l.wait(t.Context()); err != nil {
					t.Error(err)
				}
				sent := time.Now()
				time.Sleep(50 * time.Millisecond) // the call
				if b.take(time.Now()) && rand.Float64() >= b.lost {
					l.passed(sent)
					ok.Add(1)
					attempt = 0
					continue
				}
				no.Add(1)
				l.throttled(sent, time.Now())
				time.Sleep(throttled0 << min(attempt-1, 4))
			}
		})
	}
	group.Wait()
	return ok.Load(), no.Load()
}

func TestLimitFindsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{tokens: 100, size: 100, rate: 20, filled: time.Now()} // EC2's
		l := newLimit()
		load(t, l, b, 64, 20*time.Second) // finds it
		good, refused := load(t, l, b, 64, 2*time.Minute)
		if perSecond := float64(good) / 120; perSecond < 17 {
			t.Errorf("only %.1f calls/s of 20", perSecond)
		}
		if refused*10 > good {
			t.Errorf("%d of %d calls refused", refused, good+refused)
		}
	})
}

// Throttles that have nothing to do with the rate slow calls down, and don't
// bring them to a halt.
func TestLimitOutlastsAStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{tokens: 600, size: 600, rate: 600, filled: time.Now(), lost: 0.3} // STS's
		if good, _ := load(t, newLimit(), b, 256, 10*time.Second); good < 600 {
			t.Errorf("%d calls in ten seconds", good)
		}
	})
}

func TestLimitIsLiftedAgain(t *testing.T) {
	now := time.Unix(1000, 0)
	l := newLimit()
	sent := now
	for range 25 {
		l.throttled(now, now)
		l.passed(now)
	}
	if !l.free() {
		t.Fatal("limited before the look is over")
	}
	now = now.Add(firstLook)
	l.throttled(now, now)
	first, want := l.rate, 25/firstLook.Seconds()
	if math.Abs(first-want) > 0.01 {
		t.Errorf("rate %v after 26 of 51 calls in a look were throttled, want %v", first, want)
	}
	for range 10 {
		l.throttled(sent, now.Add(2*look))
	}
	if l.rate != first {
		t.Error("a call that was under way shrinks the rate a second time")
	}
	now = now.Add(10 * time.Second)
	l.claim(now)
	if l.rate <= first {
		t.Error("the rate doesn't grow back")
	}
	l.claim(now.Add(10 * time.Minute))
	if l.rate != 0 {
		t.Errorf("still limited to %v calls/s after ten quiet minutes", l.rate)
	}
}

func TestLimitStaysAbove(t *testing.T) {
	now := time.Unix(1000, 0)
	l := newLimit()
	for range 100 {
		now = now.Add(time.Second)
		l.throttled(now, now)
	}
	if l.rate < slowest {
		t.Errorf("rate %v", l.rate)
	}
}

// Throttles of one account's API end in success, and are that account's alone.
func TestThrottledCallsSucceed(t *testing.T) {
	w := newWire(t)
	var n atomic.Int64
	w.refuse = func(who, action string, _ url.Values) (string, string) {
		if action == "DescribeVpcs" && strings.HasPrefix(who, "222222222222-") && n.Add(1) <= 5 {
			return "RequestLimitExceeded", "Request limit exceeded."
		}
		return "", ""
	}
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	var group sync.WaitGroup
	for _, account := range []string{"222222222222", "333333333333"} {
		for range 4 {
			group.Go(func() {
				client, opt := c.EC2(axle.Target{Account: account, Region: "us-east-1"})
				if _, err := client.DescribeVpcs(context.Background(), &ec2.DescribeVpcsInput{}, opt); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
	if l := c.pair(axle.Target{Account: "222222222222", Region: "us-east-1"}).lane.limit("EC2:DescribeVpcs"); l.began.IsZero() {
		t.Error("the throttled account's rate isn't looked at")
	}
	if l := c.pair(axle.Target{Account: "333333333333", Region: "us-east-1"}).lane.limit("EC2:DescribeVpcs"); !l.began.IsZero() {
		t.Error("the other account's rate is looked at")
	}
}

func TestLimiterCanBeCancelled(t *testing.T) {
	w := newWire(t)
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	at := axle.Target{Account: dev.ID, Region: "us-east-1"}
	l := c.pair(at).lane.limit("EC2:DescribeVpcs")
	l.rate, l.ceiling, l.grown, l.next = slowest, slowest, time.Now(), time.Now().Add(time.Hour)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	client, opt := c.EC2(at)
	start := time.Now()
	if _, err := client.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}, opt); err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// Many accounts and regions share clients and connections.
func TestConnections(t *testing.T) {
	w := newWire(t)
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	work := make(chan axle.Target)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for at := range work {
				client, opt := c.EC2(at)
				if _, err := client.DescribeVpcs(context.Background(), &ec2.DescribeVpcsInput{}, opt); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for a := range 50 {
		for r := range 10 {
			work <- axle.Target{Account: fmt.Sprintf("%012d", a+1), Region: fmt.Sprintf("us-east-%d", r)}
		}
	}
	close(work)
	group.Wait()
	if n := w.connections.Load(); n > 32 { // 16, and those that were dialled while another came free
		t.Errorf("%d connections for 16 calls at once", n)
	}
	if n := len(c.clients.ec2.byRegion); n != 10 {
		t.Errorf("%d clients for 10 regions", n)
	}
}

func BenchmarkAccessor(b *testing.B) {
	b.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	b.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	c, err := New(context.Background(), Options{Region: "eu-west-1"})
	if err != nil {
		b.Fatal(err)
	}
	targets := make([]axle.Target, 17000)
	for i := range targets {
		targets[i] = axle.Target{Account: fmt.Sprintf("%012d", i/17), Region: fmt.Sprintf("us-east-%d", i%17)}
	}
	b.Run("pairs=17000/first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.pairs.Clear()
			c.lanes.Clear()
			for _, at := range targets {
				c.CloudFormation(at)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			client, opt := c.CloudFormation(targets[i%len(targets)])
			o := client.Options()
			opt(&o)
			i++
		}
	})
	b.Run("options alone", func(b *testing.B) { // what the SDK itself spends
		b.ReportAllocs()
		client, _ := c.CloudFormation(targets[0])
		var o cloudformation.Options
		for b.Loop() {
			o = client.Options()
		}
		_ = o
	})
}
