package interop

import (
	"encoding/binary"
	"fmt"
	"slices"

	etcd "go.etcd.io/raft/v3/raftpb"

	"github.com/ledgerkv/ledgerkv/raft"
)

// transferContext marks a vote that the leader asked for. It is part of etcd/raft's protocol, though its constant is not exported.
const transferContext = "CampaignTransfer"

// names maps node ids to etcd/raft's numbers: a member's number is its place in the configuration, from 1.
type names []raft.NodeID

func namesOf(c raft.Configuration) names {
	n := make(names, 0, len(c.Members))
	for _, m := range c.Members {
		n = append(n, m.ID)
	}
	return n
}

// number is 0, etcd/raft's nobody, for an id that is no member's.
func (n names) number(id raft.NodeID) uint64 { return uint64(slices.Index(n, id) + 1) }

func (n names) id(number uint64) raft.NodeID {
	if number == 0 {
		return raft.None
	}
	return n[number-1]
}

// toTheirs translates a message that arrives at an etcd/raft node.
func (n names) toTheirs(m *raft.Message, entries []raft.Entry) (*etcd.Message, error) {
	t := &etcd.Message{From: new(n.number(m.From)), To: new(n.number(m.To)), Term: new(uint64(m.Term)), Reject: new(m.Reject)}
	switch m.Type {
	case raft.MsgPreVote, raft.MsgVote:
		t.Type = etcd.MsgPreVote.Enum()
		if m.Type == raft.MsgVote {
			t.Type = etcd.MsgVote.Enum()
		}
		t.Index, t.LogTerm = new(uint64(m.Last.Index)), new(uint64(m.Last.Term))
		if m.Force {
			t.Context = []byte(transferContext)
		}
	case raft.MsgPreVoteResp:
		t.Type = etcd.MsgPreVoteResp.Enum()
	case raft.MsgVoteResp:
		t.Type = etcd.MsgVoteResp.Enum()
	case raft.MsgAppend:
		t.Type, t.Commit = etcd.MsgApp.Enum(), new(uint64(m.Commit))
		t.Index, t.LogTerm = new(uint64(m.Prev.Index)), new(uint64(m.Prev.Term))
		t.Entries = entriesToTheirs(entries)
	case raft.MsgAppendResp:
		t.Type, t.Index = etcd.MsgAppResp.Enum(), new(uint64(m.Last.Index))
		if m.Reject {
			t.Index = new(uint64(m.Prev.Index))
			t.RejectHint, t.LogTerm = new(uint64(m.Hint.Index)), new(uint64(m.Hint.Term))
		}
	case raft.MsgHeartbeat:
		t.Type, t.Commit, t.Context = etcd.MsgHeartbeat.Enum(), new(uint64(m.Commit)), roundContext(m.Round, m.SentAt)
	case raft.MsgHeartbeatResp:
		t.Type = etcd.MsgHeartbeatResp.Enum()
		t.Reject = nil // they know no rejected heartbeat: the higher term says it
		if m.Round != 0 && !m.Reject {
			t.Context = binary.LittleEndian.AppendUint64(nil, m.Round)
		}
	case raft.MsgTransfer:
		t.Type = etcd.MsgTimeoutNow.Enum()
	case raft.MsgReadIndex:
		t.Type, t.Entries = etcd.MsgReadIndex.Enum(), []*etcd.Entry{{Data: readContext(m.Read)}}
	case raft.MsgReadIndexResp:
		t.Type, t.Index, t.Entries = etcd.MsgReadIndexResp.Enum(), new(uint64(m.Commit)), []*etcd.Entry{{Data: readContext(m.Read)}}
	default:
		return nil, fmt.Errorf("interop: a %s has no translation; static schedules send none", m.Type)
	}
	return t, nil
}

// toOurs translates a message that an etcd/raft node has made. log is what the node holds, this message's entries included.
func (n names) toOurs(m *etcd.Message, log *log) (raft.Message, error) {
	t := raft.Message{From: n.id(m.GetFrom()), To: n.id(m.GetTo()), Term: raft.Term(m.GetTerm()), Reject: m.GetReject()}
	at := raft.EntryID{Index: raft.Index(m.GetIndex()), Term: raft.Term(m.GetLogTerm())}
	switch m.GetType() {
	case etcd.MsgPreVote, etcd.MsgVote:
		t.Type = raft.MsgPreVote
		if m.GetType() == etcd.MsgVote {
			t.Type = raft.MsgVote
		}
		t.Last, t.Force = at, string(m.GetContext()) == transferContext
	case etcd.MsgPreVoteResp:
		t.Type = raft.MsgPreVoteResp
	case etcd.MsgVoteResp:
		t.Type = raft.MsgVoteResp
	case etcd.MsgApp:
		t.Type, t.Prev, t.Last = raft.MsgAppend, at, at
		if k := len(m.GetEntries()); k > 0 {
			t.Last = idOf(m.GetEntries()[k-1])
		}
		t.Commit = min(raft.Index(m.GetCommit()), t.Last.Index)
	case etcd.MsgAppResp:
		t.Type = raft.MsgAppendResp
		if m.GetReject() {
			t.Prev = raft.EntryID{Index: at.Index}
			t.Hint = raft.EntryID{Index: raft.Index(m.GetRejectHint()), Term: at.Term}
		} else {
			t.Last = log.id(at.Index)
		}
	case etcd.MsgHeartbeat:
		t.Type, t.Commit = raft.MsgHeartbeat, raft.Index(m.GetCommit())
		t.Round, t.SentAt = roundOf(m.GetContext())
	case etcd.MsgHeartbeatResp:
		t.Type, t.Last = raft.MsgHeartbeatResp, log.last()
		t.Round, t.SentAt = roundOf(m.GetContext())
	case etcd.MsgTimeoutNow:
		t.Type = raft.MsgTransfer
	case etcd.MsgReadIndex:
		t.Type, t.Read = raft.MsgReadIndex, readOf(m.GetEntries()[0].GetData())
	case etcd.MsgReadIndexResp:
		t.Type, t.Commit, t.Read = raft.MsgReadIndexResp, raft.Index(m.GetIndex()), readOf(m.GetEntries()[0].GetData())
	default:
		return t, fmt.Errorf("interop: a %s has no translation; static schedules send none", m.GetType())
	}
	return t, nil
}

// roundContext is what a heartbeat wants back, as bytes that etcd/raft's followers return as they are. Nothing is nothing.
func roundContext(round uint64, sentAt raft.Monotonic) []byte {
	if round == 0 && sentAt == 0 {
		return nil
	}
	b := binary.LittleEndian.AppendUint64(nil, round)
	return binary.LittleEndian.AppendUint64(b, uint64(sentAt))
}

// roundOf reads a context: 16 bytes that roundContext made, or 8 bytes, the number of an etcd/raft leader's latest read, or nothing.
func roundOf(context []byte) (round uint64, sentAt raft.Monotonic) {
	if len(context) >= 8 {
		round = binary.LittleEndian.Uint64(context)
	}
	if len(context) >= 16 {
		sentAt = raft.Monotonic(binary.LittleEndian.Uint64(context[8:]))
	}
	return round, sentAt
}

// readContext is a read's name, as bytes that etcd/raft passes on as they are.
func readContext(id raft.ReadID) []byte {
	b := binary.LittleEndian.AppendUint64(nil, id.Boot)
	return binary.LittleEndian.AppendUint64(b, id.Counter)
}

func readOf(context []byte) raft.ReadID {
	return raft.ReadID{Boot: binary.LittleEndian.Uint64(context), Counter: binary.LittleEndian.Uint64(context[8:])}
}

func idOf(e *etcd.Entry) raft.EntryID {
	return raft.EntryID{Index: raft.Index(e.GetIndex()), Term: raft.Term(e.GetTerm())}
}

// entriesToTheirs: the entry that opens a term has no data on either side; in all others the first byte of the data is the kind.
func entriesToTheirs(entries []raft.Entry) []*etcd.Entry {
	out := make([]*etcd.Entry, 0, len(entries))
	for _, e := range entries {
		t := &etcd.Entry{Type: etcd.EntryNormal.Enum(), Index: new(uint64(e.ID.Index)), Term: new(uint64(e.ID.Term))}
		if e.Kind != raft.KindEmpty || len(e.Body) > 0 {
			t.Data = append([]byte{byte(e.Kind)}, e.Body...)
		}
		out = append(out, t)
	}
	return out
}

func entriesToOurs(entries []*etcd.Entry) []raft.Entry {
	out := make([]raft.Entry, 0, len(entries))
	for _, e := range entries {
		t := raft.Entry{ID: idOf(e), Kind: raft.KindEmpty}
		if data := e.GetData(); len(data) > 0 {
			t.Kind, t.Body = raft.Kind(data[0]), data[1:]
		}
		t.Size = raft.RecordSize(len(t.Body))
		out = append(out, t)
	}
	return out
}
