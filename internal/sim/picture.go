package sim

import (
	"fmt"
	"html"
	"io"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// The measures of a picture, in pixels.
const (
	laneHeight   = 76
	groupHeight  = 22
	leftMargin   = 60
	topMargin    = 40
	pixelsPerSec = 160
)

// picture draws a trace: a lane for each node with a bar for each of its groups, coloured by role.
type picture struct {
	trace *Trace
	svg   strings.Builder
	end   time.Duration
}

// WriteSVG writes the timeline of WriteHTML alone.
func (t *Trace) WriteSVG(w io.Writer) error {
	_, err := io.WriteString(w, t.draw())
	return err
}

// draw gives the timeline as an SVG document.
func (t *Trace) draw() string {
	p := picture{trace: t, end: t.Plan.Length}
	if n := len(t.all); n > 0 {
		p.end = t.all[n-1].at + 50*time.Millisecond
	}
	p.drawAxis()
	for lane := range p.lanes() {
		p.drawLane(lane)
	}
	p.drawMarks()
	return fmt.Sprintf(`<svg width="%d" height="%d" font-family="sans-serif" font-size="11" xmlns="http://www.w3.org/2000/svg">%s</svg>`,
		p.x(p.end)+40, topMargin+laneHeight*p.lanes()+20, p.svg.String())
}

// WriteHTML writes a timeline that a browser shows without a network: nodes as lanes, roles and terms as bars, messages of elections as
// lines, faults, images and changes of the membership as marks, the broken law as a red line; below it the trace as text.
func (t *Trace) WriteHTML(w io.Writer) error {
	var text strings.Builder
	if err := t.WriteText(&text, true); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, `<!doctype html><meta charset="utf-8"><title>seed %d</title>
<style>body{font:13px sans-serif;margin:12px}div{overflow-x:auto}text{font:11px sans-serif}pre{font-size:12px;max-height:45vh;overflow:auto}
.key span{padding:1px 8px;margin-right:6px;color:#fff}</style>
<h3>seed %d</h3>
<p class="key"><span style="background:%s">leader</span><span style="background:%s">leader, ready</span><span style="background:%s">candidate</span><span style="background:%s">pre-candidate</span><span style="background:%s">follower</span><span style="background:#ddd;color:#333">down</span></p>
<div>%s</div>
<pre>%s</pre>
`, t.Plan.Seed, t.Plan.Seed, colours[raft.Leader], readyColour, colours[raft.Candidate], colours[raft.PreCandidate], colours[raft.Follower],
		t.draw(), html.EscapeString(text.String()))
	return err
}

// colours are those of the roles.
var colours = map[raft.Role]string{raft.Leader: "#e08a00", raft.Candidate: "#a347ba", raft.PreCandidate: "#c9a0dc", raft.Follower: "#5b8dc9", raft.Learner: "#7fb7a3"}

const readyColour = "#2e8b3d"

// lanes is the number of nodes, those included that may be added.
func (p *picture) lanes() int { return p.trace.Plan.Nodes + p.trace.Plan.Spares }

func (p *picture) x(at time.Duration) int { return leftMargin + int(at.Seconds()*pixelsPerSec) }

func (p *picture) y(lane int) int { return topMargin + lane*laneHeight }

func (p *picture) drawAxis() {
	height := topMargin + laneHeight*p.lanes()
	for at := time.Duration(0); at <= p.end; at += 500 * time.Millisecond {
		fmt.Fprintf(&p.svg, `<line x1="%d" x2="%d" y1="20" y2="%d" stroke="#eee"/><text x="%d" y="14">%.1fs</text>`, p.x(at), p.x(at), height, p.x(at), at.Seconds())
	}
}

// drawLane draws the roles of one node's replicas.
func (p *picture) drawLane(lane int) {
	fmt.Fprintf(&p.svg, `<text x="8" y="%d" font-weight="bold">n%d</text>`, p.y(lane)+30, lane+1)
	for group := range groupCount {
		fmt.Fprintf(&p.svg, `<text x="30" y="%d">%s</text>`, p.y(lane)+16+group*(groupHeight+4), groupName(group))
		since, colour, title := time.Duration(0), "#ddd", "down"
		next := func(at time.Duration, c, t string) {
			p.bar(lane, group, since, at, colour, title)
			since, colour, title = at, c, t
		}
		for i := range p.trace.all {
			h := &p.trace.all[i]
			if h.lane != lane {
				continue
			}
			switch h.what {
			case roleChanged:
				if h.group != group {
					continue
				}
				c := colours[h.role]
				if h.ready {
					c = readyColour
				}
				next(h.at, c, fmt.Sprintf("%s in term %d", h.role, h.term))
			case started:
				next(h.at, colours[raft.Follower], "follower")
			case lostPower, wasKilled, stayedAway, refusedToStart:
				next(h.at, "#ddd", "down")
			case replicaFailed:
				if h.group == group {
					next(h.at, "#000", "stopped: "+h.text)
				}
			}
		}
		p.bar(lane, group, since, p.end, colour, title)
	}
}

func (p *picture) bar(lane, group int, from, to time.Duration, colour, title string) {
	if to <= from {
		return
	}
	y := p.y(lane) + group*(groupHeight+4)
	fmt.Fprintf(&p.svg, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"><title>%s</title></rect>`, p.x(from), y, max(p.x(to)-p.x(from), 1), groupHeight, colour,
		html.EscapeString(fmt.Sprintf("%s, %.3fs to %.3fs", title, from.Seconds(), to.Seconds())))
	if p.x(to)-p.x(from) > 90 && colour != "#ddd" {
		fmt.Fprintf(&p.svg, `<text x="%d" y="%d" fill="#fff">%s</text>`, p.x(from)+4, y+15, html.EscapeString(title))
	}
}

// drawMarks draws everything that happens at one moment.
func (p *picture) drawMarks() {
	for i := range p.trace.all {
		h := &p.trace.all[i]
		x, y := p.x(h.at), p.y(h.lane)+2*groupHeight+14
		title := html.EscapeString(strings.TrimSpace(h.String()))
		switch h.what {
		case faultBegan:
			p.mark(x, y, "#c00", "▼", title)
			for _, d := range h.ways {
				fmt.Fprintf(&p.svg, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#c00" stroke-dasharray="3"><title>%s</title></line>`,
					x, p.y(d.from)+groupHeight, x+6, p.y(d.to)+groupHeight, title)
			}
		case faultEnded:
			p.mark(x, y, "#080", "▲", title)
		case imageMoved:
			p.mark(x, y, "#06c", "■", title)
		case membersChanged:
			p.mark(x, y, "#840", "◆", title)
		case lostPower, wasKilled:
			p.mark(x, y, "#000", "✖", title)
		case messageSent:
			fmt.Fprintf(&p.svg, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#555"><title>%s</title></line>`, x, p.y(h.lane)+groupHeight, x+4, p.y(h.peer)+groupHeight, title)
		case phaseBegan:
			fmt.Fprintf(&p.svg, `<line x1="%d" x2="%d" y1="20" y2="%d" stroke="#080"/><text x="%d" y="30" fill="#080">%s</text>`, x, x, p.y(p.lanes()), x+3, html.EscapeString(h.text))
		case lawBroken:
			text := h.text
			if len(text) > 160 {
				text = text[:160] + "…"
			}
			fmt.Fprintf(&p.svg, `<line x1="%d" x2="%d" y1="20" y2="%d" stroke="red" stroke-width="2"><title>%s</title></line><text x="%d" y="34" fill="red" text-anchor="end">%s</text>`,
				x, x, p.y(p.lanes()), title, x-3, html.EscapeString(text))
		}
	}
}

func (p *picture) mark(x, y int, colour, sign, title string) {
	fmt.Fprintf(&p.svg, `<text x="%d" y="%d" fill="%s">%s<title>%s</title></text>`, x-4, y, colour, sign, title)
}
