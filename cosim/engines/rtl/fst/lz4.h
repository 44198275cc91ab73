// The two functions of LZ4 that Verilator's FST writer calls, so that waveforms need no library beside zlib.
//
// The output is a legal LZ4 block that any decoder reads: one sequence of literals, without matches. The FST writer
// keeps a block uncompressed where LZ4 does not make it smaller, so only the signal hierarchy is ever stored this way.
// Source: LZ4 block format, github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md

#ifndef DURAMESH_LZ4_H
#define DURAMESH_LZ4_H

#include <cstring>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

inline int LZ4_compress_default(const char* source, char* target, int size, int capacity) {
    if (capacity < LZ4_compressBound(size)) return 0;
    char* out = target;
    *out++ = static_cast<char>((size < 15 ? size : 15) << 4);
    if (size >= 15) {
        int rest = size - 15;
        for (; rest >= 255; rest -= 255) *out++ = static_cast<char>(255);
        *out++ = static_cast<char>(rest);
    }
    std::memcpy(out, source, static_cast<std::size_t>(size));
    return static_cast<int>(out - target) + size;
}

#endif
