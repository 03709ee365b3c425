package transport

// What tests need to play a peer by hand.
const (
	KindHello   = kindHello
	KindWelcome = kindWelcome
	KindRefuse  = kindRefuse
	KindPing    = kindPing
	KindPong    = kindPong
)

var (
	AppendHello = appendHello
	DecodeHello = decodeHello
)
