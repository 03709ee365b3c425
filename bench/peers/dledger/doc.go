// Package dledger runs DLedger, the Java library, as a peer: three servers in processes of their own, from the published jars, called over its own protocol. It is
// there where java, javac and mvn are on the PATH.
package dledger
