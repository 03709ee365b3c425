package config

// DecodeStrict reads a configuration from memory.
func DecodeStrict(data []byte) (Config, error) {
	var c Config
	err := decodeStrict(data, &c)
	return c, err
}
