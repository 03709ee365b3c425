package snapshot

// ForOffers reports whether a frame from a peer is for Offers.Handle; any other, also one that can't be understood, is for
// Fetches.Handle. It needs the head alone and does not check it.
func ForOffers(head []byte) bool {
	return len(head) > 1 && (frameType(head[1]) == frameFetch || frameType(head[1]) == frameDone)
}
