package adminui

import (
	"errors"
	"net/url"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/usage/tally"
)

// chartDays is how many days a chart shows.
const chartDays = 30

// chartPages bounds what is read for one chart: pages of 1000 rows.
const chartPages = 20

// The size of a chart, in its own units.
const (
	chartHeight = 96
	chartBar    = 20 // with the gap beside it
	chartGap    = 4
)

// A chart is what became of the requests of a key, day by day.
type chart struct {
	Days  []chartDay
	Total chartDay
	Cut   bool // there was more than is shown
}

// A chartDay is one day, with its bar.
type chartDay struct {
	Day                     time.Time
	OK, Limited, No, Failed int64 // passed below 500; 429; refused otherwise; 5xx and cut short
	Bars                    []bar
}

// All is how many requests there were.
func (d *chartDay) All() int64 { return d.OK + d.Limited + d.No + d.Failed }

// A bar is a part of a day's bar.
type bar struct {
	Class               string
	X, Y, Width, Height int64
}

// Width and Height are those of the drawing.
func (*chart) Width() int { return chartDays * chartBar }

// Height is that of the drawing.
func (*chart) Height() int { return chartHeight }

// chart reads the last days of a key; nil where they may not be read, or nothing
// counts them.
func (v *visit) chart(key string) (*chart, error) {
	if v.site.cfg.Uses == nil || !v.may(account.ReadUsage) {
		return nil, nil //nolint:nilnil // there is no chart
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	first := today.AddDate(0, 0, 1-chartDays)
	c := &chart{Days: make([]chartDay, chartDays)}
	for i := range c.Days {
		c.Days[i].Day = first.AddDate(0, 0, i)
	}
	q := url.Values{"key": {key}, "per": {"day"}, "since": {first.Format(time.RFC3339)}, "until": {today.AddDate(0, 0, 1).Format(time.RFC3339)}, "limit": {"1000"}}
	for range chartPages {
		var got client.UsagePage
		if _, err := v.get("/v1/usage", q, &got); err != nil {
			return nil, err
		}
		for i := range got.Rows {
			c.add(first, &got.Rows[i])
		}
		if got.Next == "" {
			c.draw()
			return c, nil
		}
		q.Set("cursor", got.Next)
	}
	c.Cut = true
	c.draw()
	return c, nil
}

// add counts a row.
func (c *chart) add(first time.Time, r *client.UsageRow) {
	i := int(r.At.Sub(first) / (24 * time.Hour))
	if i < 0 || i >= len(c.Days) {
		return
	}
	for _, d := range []*chartDay{&c.Days[i], &c.Total} {
		switch r.Outcome {
		case tally.OK.String(), tally.ClientError.String(), tally.Answered.String():
			d.OK += r.Count
		case tally.Limited.String():
			d.Limited += r.Count
		case tally.ServerError.String(), tally.Unavailable.String(), tally.Aborted.String():
			d.Failed += r.Count
		default:
			d.No += r.Count
		}
	}
}

// draw makes the bars: the highest is as high as the drawing, and what there is at all
// is to be seen.
func (c *chart) draw() {
	var most int64 = 1
	for i := range c.Days {
		most = max(most, c.Days[i].All())
	}
	for i := range c.Days {
		d := &c.Days[i]
		y := int64(chartHeight)
		for _, part := range []struct {
			class string
			n     int64
		}{{"ok", d.OK}, {"limited", d.Limited}, {"no", d.No}, {"failed", d.Failed}} {
			if part.n == 0 {
				continue
			}
			h := max(part.n*(chartHeight-8)/most, 2)
			y -= h
			d.Bars = append(d.Bars, bar{part.class, int64(i) * chartBar, y, chartBar - chartGap, h})
		}
	}
}

// statusOf is the status of a refusal; 0 for none.
func statusOf(err error) int {
	if r, ok := errors.AsType[*refusal](err); ok {
		return int(r.Status)
	}
	return 0
}
