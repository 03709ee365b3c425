package snapshot

// ForOffers reports whether a frame from a peer is for Offers.Handle; any other is for Fetches.Handle. It needs the head alone.
func ForOffers(head []byte) bool {
	m, err := decodeFrame(head)
	return err == nil && (m.kind == frameFetch || m.kind == frameDone)
}
