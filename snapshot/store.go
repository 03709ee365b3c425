package snapshot

import (
	"errors"
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

const (
	imageSuffix = ".img"
	partSuffix  = ".part"
	tmpSuffix   = ".tmp"
)

// Store is a directory with the images of one group. All methods are safe for concurrent use; those that touch the disk say
// that they block.
type Store struct {
	fsys     fs.FS
	dir      string
	identity Identity

	// names serialises changes of the directory. It is taken before mu and held over disk operations.
	names sync.Mutex

	mu sync.Mutex
	// images is sorted by index, then by name.
	images    []*image
	receiving map[string]bool
	problems  []error
	asides    uint64
}

// image is a file that carries an image's name. It is guarded by Store.mu.
type image struct {
	name  string
	index raft.Index
	meta  Meta
	// bad is why the image can't be used; nil for a good one.
	bad error
	// pins counts the open readers.
	pins int
}

// Open opens a group's directory of images, which it makes if need be. It removes what a crash left half written, keeps
// what was half received, and checks header and trailer of each image; chunks are checked when they are read (Verify reads
// them all). Images that are not sound or not this group's are named by Problems and left alone. It blocks on the disk and
// fails only when the directory itself can't be used.
func Open(fsys fs.FS, dir string, id Identity) (*Store, error) {
	s := &Store{fsys: fsys, dir: dir, identity: id, receiving: map[string]bool{}}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("snapshot: making the image directory %s: %w", dir, err)
	}
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("snapshot: listing the image directory %s: %w", dir, err)
	}
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, tmpSuffix):
			if err := fsys.Remove(path.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("snapshot: removing a leftover: %w", err)
			}
		case strings.HasSuffix(name, imageSuffix):
			s.insert(s.scan(name))
		}
	}
	// A process may have been killed between a rename and its sync: what is seen here must be on the disk before it counts.
	if err := fsys.SyncDir(dir); err != nil {
		return nil, fmt.Errorf("snapshot: syncing the image directory %s: %w", dir, err)
	}
	return s, nil
}

// Identity is whose images these are.
func (s *Store) Identity() Identity { return s.identity }

// Dir is where the images are.
func (s *Store) Dir() string { return s.dir }

// scan reads what is needed to know of the image file of that name.
func (s *Store) scan(name string) *image {
	img := &image{name: name, index: indexInName(name)}
	l, err := s.layoutOf(name)
	if err != nil {
		img.bad = err
		s.problems = append(s.problems, err)
		return img
	}
	img.meta, img.index = l.meta, l.meta.Base.ID.Index
	return img
}

func (s *Store) layoutOf(name string) (*layout, error) {
	full := path.Join(s.dir, name)
	f, err := s.fsys.Open(full)
	if err != nil {
		return nil, fmt.Errorf("snapshot: opening an image: %w", err)
	}
	defer f.Close()
	return s.checkedLayout(f, name)
}

func (s *Store) checkedLayout(f fs.File, name string) (*layout, error) {
	full := path.Join(s.dir, name)
	l, err := readLayout(f, full)
	if err != nil {
		return nil, err
	}
	if l.meta.Identity != s.identity {
		return nil, fmt.Errorf("%w: %s: expected group %v, found %v", ErrIdentity, full, s.identity, l.meta.Identity)
	}
	if want := fileName(l.meta.Base.ID.Index, l.meta.Digest, imageSuffix); name != want {
		return nil, corrupt(full, 0, "expected the name %s for what is in it", want)
	}
	return l, nil
}

// insert adds an image, in place of one with the same name.
func (s *Store) insert(img *image) {
	at := sort.Search(len(s.images), func(i int) bool {
		if o := s.images[i]; o.index != img.index {
			return o.index > img.index
		}
		return s.images[i].name >= img.name
	})
	if at < len(s.images) && s.images[at].name == img.name {
		s.images[at] = img
		return
	}
	s.images = append(s.images, nil)
	copy(s.images[at+1:], s.images[at:])
	s.images[at] = img
}

// Newest gives the good image with the highest index. It does not block on the disk.
func (s *Store) Newest() (Meta, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.images) - 1; i >= 0; i-- {
		if s.images[i].bad == nil {
			return s.images[i].meta, true
		}
	}
	return Meta{}, false
}

// List gives the good images, oldest first. It does not block on the disk.
func (s *Store) List() []Meta {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Meta
	for _, img := range s.images {
		if img.bad == nil {
			out = append(out, img.meta)
		}
	}
	return out
}

// Has reports whether the store holds this very image and believes it good.
func (s *Store) Has(m Meta) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(m) != nil
}

// find gives the good image that m describes, or nil. REQUIRES: mu.
func (s *Store) find(m Meta) *image {
	for _, img := range s.images {
		if img.bad == nil && img.meta.same(m) {
			return img
		}
	}
	return nil
}

// Problems names what was found wrong with images since the store was opened, in the order of finding. Nothing is removed
// for being bad: a bad image goes when newer good ones make it superfluous (Retain).
func (s *Store) Problems() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]error(nil), s.problems...)
}

// condemn takes an image out of use.
func (s *Store) condemn(img *image, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if img.bad == nil {
		img.bad = why
		s.problems = append(s.problems, why)
	}
}

// Verify reads all of an image and checks every byte of it. A bad one is taken out of use. It blocks on the disk.
func (s *Store) Verify(m Meta) error {
	r, err := s.Open(m)
	if err != nil {
		return err
	}
	defer r.Close()
	return r.drain()
}

// Retain removes the images that are older than the newest count good ones (at least 1) and that no reader holds, good or
// bad, and what was received of images no newer than the newest good one. Images that end above an entry upTo, and those at or
// below it, are counted apart: where the log ends at upTo, an image from elsewhere that lies beyond it is no substitute for one
// from which the log goes on. An image that a reader holds goes with a later call. It blocks on the disk.
func (s *Store) Retain(count int, upTo raft.Index) error {
	s.names.Lock()
	defer s.names.Unlock()
	victims := s.superfluous(max(count, 1), upTo)
	if newest, ok := s.Newest(); ok {
		parts, err := s.staleParts(newest.Base.ID.Index)
		if err != nil {
			return err
		}
		victims = append(victims, parts...)
	}
	return s.remove(victims)
}

// remove removes files. REQUIRES: names is held, and nobody uses the files.
func (s *Store) remove(victims []string) error {
	if len(victims) == 0 {
		return nil
	}
	var failed error
	for _, name := range victims {
		if err := s.fsys.Remove(path.Join(s.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, fmt.Errorf("snapshot: removing an old image: %w", err))
		}
	}
	if err := s.fsys.SyncDir(s.dir); err != nil {
		failed = errors.Join(failed, fmt.Errorf("snapshot: syncing the image directory: %w", err))
	}
	return failed
}

// superfluous forgets the images that Retain removes and gives their names.
func (s *Store) superfluous(count int, upTo raft.Index) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	above := sort.Search(len(s.images), func(i int) bool { return s.images[i].index > upTo })
	var kept []*image
	for _, part := range [][]*image{s.images[:above], s.images[above:]} {
		first := oldestKept(part, count)
		for i, img := range part {
			if i >= first || img.pins > 0 {
				kept = append(kept, img)
			} else {
				names = append(names, img.name)
			}
		}
	}
	s.images = kept
	return names
}

// oldestKept is the place of the oldest of the newest count good images; 0 when there are not so many.
func oldestKept(images []*image, count int) int {
	for i := len(images) - 1; i >= 0; i-- {
		if images[i].bad == nil {
			count--
		}
		if count == 0 {
			return i
		}
	}
	return 0
}

// staleParts names the half-received images up to an index that no receiver has.
func (s *Store) staleParts(upTo raft.Index) ([]string, error) {
	names, err := s.fsys.List(s.dir)
	if err != nil {
		return nil, fmt.Errorf("snapshot: listing the image directory %s: %w", s.dir, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var stale []string
	for _, name := range names {
		if strings.HasSuffix(name, partSuffix) && !s.receiving[name] && indexInName(name) <= upTo {
			stale = append(stale, name)
		}
	}
	return stale, nil
}

// adopt gives a finished, synced file its name. Where the same image is there already and good, the file is dropped.
func (s *Store) adopt(aside string, m Meta) error {
	s.names.Lock()
	defer s.names.Unlock()
	if s.Has(m) {
		return s.fsys.Remove(path.Join(s.dir, aside))
	}
	name := fileName(m.Base.ID.Index, m.Digest, imageSuffix)
	if err := s.fsys.Rename(path.Join(s.dir, aside), path.Join(s.dir, name)); err != nil {
		return err
	}
	if err := s.fsys.SyncDir(s.dir); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.insert(&image{name: name, index: m.Base.ID.Index, meta: m})
	return nil
}

// fileName names an image's file by where it is in the log and what is in it.
func fileName(i raft.Index, d Digest, suffix string) string {
	return fmt.Sprintf("%016x-%v%s", uint64(i), d, suffix)
}

// indexInName gives the index in a file's name, or 0.
func indexInName(name string) raft.Index {
	if len(name) < 16 {
		return 0
	}
	i, err := strconv.ParseUint(name[:16], 16, 64)
	if err != nil {
		return 0
	}
	return raft.Index(i)
}
