package ring

// cacheLinePad keeps the fields before it and after it on different cache
// lines. Two lines rather than one: x86 prefetches lines in pairs.
type cacheLinePad [128]byte
