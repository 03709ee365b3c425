// Package image is the encoding of an engine's state as a stream of chunks (docs/format.md, "Image"): the same state gives the
// same bytes on every engine and every replica, however far the engine has got with giving back compacted space.
//
// New makes a statemachine.Image of an engine's Cursor; NewReader gives the versions back to an engine that is being
// restored; Hash is the hash of a state, to compare replicas by. The statemachine engines are the callers. None of the types
// is safe for concurrent use; nothing here starts a goroutine or keeps a file.
//
// What an image holds of a key: all its versions above the compacted revision, deletes included, and before them the newest
// version at or below it, unless that is a delete. So views and events give the same answers on an engine restored
// from an image as on the one that it was taken from, and nothing else of the engine's history shows.
package image
