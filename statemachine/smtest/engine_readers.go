package smtest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

const (
	readerAccounts = 50
	readerBatches  = 400
)

func account(i int) []byte { return fmt.Appendf(nil, "account/%02d", i%readerAccounts) }

// testReadersWhileWriting has many goroutines read while one writes transfers between accounts: in each revision all keys are
// put, deleted or put back so that their number and the sum of their first value bytes can be told from the revision.
func testReadersWhileWriting(t testing.TB, open Opener) {
	e := open.Open(t)
	var done atomic.Bool
	var readers sync.WaitGroup
	errs := make(chan error, 8)
	for r := range cap(errs) {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for i := 0; !done.Load() || i == 0; i++ {
				if err := readOnce(e, r, i); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	images := make(chan statemachine.Image, readerBatches)
	readers.Add(1)
	go func() {
		defer readers.Done()
		for img := range images {
			if err := drain(img); err != nil {
				t.Error(err)
			}
		}
	}()
	for n := range readerBatches {
		b := e.Begin()
		for range 1 + n%3 {
			writeAccounts(t, b)
		}
		if n%10 == 9 {
			require.NoError(t, b.Compact(e.Revision()))
		}
		require.NoError(t, b.Commit(statemachine.Index(n+1)))
		if n%50 == 25 {
			img, err := e.Image()
			require.NoError(t, err)
			images <- img
		}
	}
	done.Store(true)
	close(images)
	readers.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

// writeAccounts writes revision rev: the account rev is deleted, and all others are put if they were deleted before or if
// their number has the parity of rev.
func writeAccounts(t testing.TB, b statemachine.Batch) {
	rev := b.Advance()
	for i := range readerAccounts {
		_, ok, err := b.Get(account(i))
		require.NoError(t, err)
		switch {
		case i == int(rev)%readerAccounts:
			_, err = b.Delete(account(i))
		case !ok || i%2 == int(rev)%2:
			_, err = b.Put(account(i), fmt.Appendf(nil, "%d", rev), uint64(rev))
		}
		require.NoError(t, err)
	}
}

// readOnce checks one view against what its revision says.
func readOnce(e statemachine.Engine, reader, round int) error {
	want := e.Revision()
	rev := statemachine.Latest
	if c := e.Compacted(); round%3 == 2 && c > 0 {
		rev = c // may be compacted before the view is open
	}
	v, err := e.View(rev)
	if rev != statemachine.Latest && err == statemachine.ErrCompacted {
		return nil
	}
	if err != nil {
		return err
	}
	defer v.Close()
	rev = v.Revision()
	if round%3 != 2 && rev < want {
		return fmt.Errorf("a view at %d was opened after %d had been committed", rev, want)
	}
	if rev == 0 {
		return nil
	}
	for range 2 { // the second look sees the same
		if err := readAccounts(v, reader+round); err != nil {
			return fmt.Errorf("revision %d: %w", rev, err)
		}
	}
	return readEvents(v)
}

func readAccounts(v statemachine.View, some int) error {
	rev := v.Revision()
	gone := int(rev) % readerAccounts
	n := 0
	err := v.Range(statemachine.RangeOptions{Reverse: some%2 == 1}, func(item statemachine.Item) bool {
		n++
		return item.Mod <= rev && string(item.Value) == fmt.Sprint(item.Mod) && item.Lease == uint64(item.Mod)
	})
	if err != nil {
		return err
	}
	if n != readerAccounts-1 {
		return fmt.Errorf("range found %d whole accounts, expected %d", n, readerAccounts-1)
	}
	for _, i := range []int{gone, some % readerAccounts} {
		item, ok, err := v.Get(account(i))
		if err != nil {
			return err
		}
		if ok == (i == gone) {
			return fmt.Errorf("account %d: found %v", i, ok)
		}
		if fresh := i%2 == int(rev)%2 || i == (gone+readerAccounts-1)%readerAccounts; ok && fresh && item.Mod != rev && rev > 1 {
			return fmt.Errorf("account %d was put at %d, found %d", i, rev, item.Mod)
		}
	}
	return nil
}

// readEvents checks that the last revision's events are all there, in order.
func readEvents(v statemachine.View) error {
	var next uint32
	err := v.Events(v.Revision(), func(ev statemachine.Event) bool {
		if ev.Sub != next || ev.Item.Mod != v.Revision() {
			return false
		}
		next++
		return true
	})
	if err == statemachine.ErrCompacted {
		return nil
	}
	if err == nil && next < readerAccounts/2-1 {
		err = fmt.Errorf("revision %d: found %d events in order, expected at least %d", v.Revision(), next, readerAccounts/2-1)
	}
	return err
}

// drain reads an image through its own checks.
func drain(img statemachine.Image) error {
	err := NewModel().Restore(img)
	if cerr := img.Close(); err == nil {
		err = cerr
	}
	return err
}
