// Package config is the configuration of a node as the binary runs it: the file config.json in its directory, the same settings as
// flags, and the forms in which the peers may be written.
//
// Reading is strict: a key that is not known is an error that names it, where it stands and the nearest one that is known; so
// is a value of the wrong type. Validate reports every fault at once.
package config
