//go:build !linux

package fs

// datasync is a full sync: where there is no fdatasync, or a weak one, nothing less is known to be durable.
func (o *osFile) datasync() error { return o.f.Sync() }

// writev writes the buffers one by one.
func (o *osFile) writev(bufs [][]byte, off int64) (total int, err error) {
	if len(bufs) == 0 {
		bufs = [][]byte{nil} // a closed file is an error even when there is nothing to write
	}
	for _, b := range bufs {
		n, err := o.f.WriteAt(b, off)
		total, off = total+n, off+int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
