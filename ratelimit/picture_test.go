package ratelimit_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/internal/golden"
	"github.com/warder-dev/warder/ratelimit"
)

// The picture of the guide shows what three ways of counting make of the same
// requests: ten a second are allowed.
const (
	pictureRate  = 10
	pictureBurst = 3
	pictureEnd   = 5 * time.Second
)

// arrivals are the moments of the requests: a crowd around the end of each
// second, and somebody steady in between.
func arrivals() (all []time.Duration) {
	for at := 900 * time.Millisecond; at < pictureEnd; {
		all = append(all, at)
		in := at % time.Second
		if in >= 900*time.Millisecond || in < 100*time.Millisecond {
			at += 10 * time.Millisecond
		} else {
			at += 80 * time.Millisecond
		}
	}
	return all
}

// fixedWindow counts anew at each full second.
func fixedWindow() func(time.Duration) bool {
	window, n := time.Duration(-1), 0
	return func(at time.Duration) bool {
		if w := at / time.Second; w != window {
			window, n = w, 0
		}
		n++
		return n <= pictureRate
	}
}

// slidingWindow counts what passed in the second before.
func slidingWindow() func(time.Duration) bool {
	var passed []time.Duration
	return func(at time.Duration) bool {
		for len(passed) > 0 && passed[0] <= at-time.Second {
			passed = passed[1:]
		}
		if len(passed) >= pictureRate {
			return false
		}
		passed = append(passed, at)
		return true
	}
}

// A panel is what became of the arrivals.
type panel struct {
	title  string
	passed []bool
}

// busiest returns the most that passed in any second, and in any tenth of one.
func (p *panel) busiest(all []time.Duration) (second, tenth int) {
	for i := range all {
		s, t := 0, 0
		for j := i; j < len(all) && all[j] < all[i]+time.Second; j++ {
			if p.passed[j] {
				s++
				if all[j] < all[i]+time.Second/10 {
					t++
				}
			}
		}
		second, tenth = max(second, s), max(tenth, t)
	}
	return second, tenth
}

// longest returns the longest time in which nothing passed.
func (p *panel) longest(all []time.Duration) (gap time.Duration) {
	last := all[0]
	for i, at := range all {
		if p.passed[i] {
			gap, last = max(gap, at-last), at
		}
	}
	return gap
}

func TestThePictureOfTheGuide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := arrivals()
		s := newStage(t, byKey(t, "picture", ratelimit.Quota{Count: pictureRate, Per: time.Second, Burst: pictureBurst}))
		ours := func(time.Duration) bool { return passes(t, s, request()) }
		panels := []panel{{title: "fixed window: 10 in each second of the clock"}, {title: "sliding window: 10 in the last second"}, {title: "warder: count 10, per 1s, burst 3"}}
		ways := []func(time.Duration) bool{fixedWindow(), slidingWindow(), ours}
		begin := time.Now()
		for _, at := range all {
			<-time.After(time.Until(begin.Add(at)))
			for i := range panels {
				panels[i].passed = append(panels[i].passed, ways[i](at))
			}
		}
		fixed, _ := panels[0].busiest(all)
		sliding, _ := panels[1].busiest(all)
		own, tenth := panels[2].busiest(all)
		if fixed != 2*pictureRate || sliding != pictureRate || own > pictureRate+pictureBurst || tenth > pictureBurst+1 {
			t.Errorf("in a second at most %d, %d and %d passed, of ours %d in a tenth of one", fixed, sliding, own, tenth)
		}
		if ours, theirs := panels[2].longest(all), panels[1].longest(all); ours > 180*time.Millisecond || theirs < 500*time.Millisecond {
			t.Errorf("ours kept everybody waiting for %v, the sliding window for %v", ours, theirs)
		}
		golden.Compare(t, "../docs/guide/windows.svg", []byte(draw(all, panels)))
	})
}

// draw returns the picture: a long stroke for each request that passed, a short
// one for each that did not.
func draw(all []time.Duration, panels []panel) string {
	const left, perSecond, height, width = 20, 150, 78, 790
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", width, height*len(panels)+24)
	_, _ = fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	for i := range panels {
		p, top := &panels[i], i*height
		second, tenth := p.busiest(all)
		_, _ = fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text><text x="%d" y="%d" text-anchor="end" fill="#555">at most %d in a second, %d in a tenth; silent for up to %d ms</text>`+"\n",
			left, top+18, p.title, width-20, top+18, second, tenth, p.longest(all).Milliseconds())
		for line := range int(pictureEnd/time.Second) + 1 {
			_, _ = fmt.Fprintf(&b, `<path d="M%d %dv46" stroke="#ccc" stroke-dasharray="3"/>`+"\n", left+line*perSecond, top+24)
		}
		var passed, refused strings.Builder
		for j, at := range all {
			x := float64(left) + at.Seconds()*perSecond
			if p.passed[j] {
				_, _ = fmt.Fprintf(&passed, "M%.1f %dv34", x, top+28)
			} else {
				_, _ = fmt.Fprintf(&refused, "M%.1f %dv8", x, top+58)
			}
		}
		_, _ = fmt.Fprintf(&b, `<path d="%s" stroke="#1a6" stroke-width="1.4"/><path d="%s" stroke="#c33"/>`+"\n", &passed, &refused)
	}
	for second := range int(pictureEnd/time.Second) + 1 {
		_, _ = fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="#555">%d s</text>`+"\n", left+second*perSecond, height*len(panels)+14, second)
	}
	return b.String() + "</svg>\n"
}
