package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/adler32"
	"hash/crc32"
	"net/http"
)

const (
	badgeCells = 8 // a row is mirrored, so half of them are free
	cellPixels = 8
	badgeSize  = badgeCells * cellPixels
)

func (s *server) badge(w http.ResponseWriter, r *http.Request) {
	item, ok := s.find(r)
	if !ok {
		writeError(w, http.StatusNotFound, "no such item: "+r.PathValue("id"))
		return
	}
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	// A client that went away is all that can fail here.
	_, _ = w.Write(badgePNG(item.ID))
}

// badgePNG draws a symmetric pattern from the digest of the id, in two colours.
func badgePNG(id string) []byte {
	digest := sha256.Sum256([]byte(id))
	var pixels []byte
	for y := range badgeSize {
		pixels = append(pixels, 0) // each row begins with its filter: none
		for x := range badgeSize {
			column, row := x/cellPixels, y/cellPixels
			column = min(column, badgeCells-1-column)
			pixels = append(pixels, digest[row*badgeCells/2+column]&1)
		}
	}
	header := binary.BigEndian.AppendUint32(nil, badgeSize)
	header = binary.BigEndian.AppendUint32(header, badgeSize)
	header = append(header, 8, 3, 0, 0, 0) // 8 bits, palette, no interlacing
	palette := append([]byte{0xf5, 0xf5, 0xf5}, digest[28:31]...)
	var image bytes.Buffer
	image.WriteString("\x89PNG\r\n\x1a\n")
	writeChunk(&image, "IHDR", header)
	writeChunk(&image, "PLTE", palette)
	writeChunk(&image, "IDAT", zlibStored(pixels))
	writeChunk(&image, "IEND", nil)
	return image.Bytes()
}

// zlibStored wraps data in one stored block (RFC 1950, RFC 1951): no compressor, so no two
// implementations can differ. The data must be shorter than 65,536 bytes.
func zlibStored(data []byte) []byte {
	out := []byte{0x78, 0x01, 0x01}
	out = binary.LittleEndian.AppendUint16(out, uint16(len(data)))
	out = binary.LittleEndian.AppendUint16(out, ^uint16(len(data)))
	out = append(out, data...)
	return binary.BigEndian.AppendUint32(out, adler32.Checksum(data))
}

func writeChunk(image *bytes.Buffer, kind string, data []byte) {
	image.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
	body := append([]byte(kind), data...)
	image.Write(body)
	image.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
}
