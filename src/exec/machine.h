// Numbers that depend on the machine, in one place. Each names where it was measured and by which command; none changes
// a result.
#ifndef SIMDROPE_EXEC_MACHINE_H_
#define SIMDROPE_EXEC_MACHINE_H_

#include <cstddef>
#include <cstdint>

namespace simdrope::impl {

// Measured with tools/dev/compare-peers on a virtual machine of two Emerald Rapids cores (2 MiB of second-level cache a
// core, 260 MiB of third), Debian sid, GCC 15, version 0.1.0.

// How far ahead to prefetch into the first-level cache, and into the second: distance in bytes, divided among heads
// processed together. 2 to 8 KB were alike.
inline constexpr ptrdiff_t kPrefetchNearBytes = 4096;
inline constexpr ptrdiff_t kPrefetchFarBytes = 2 * kPrefetchNearBytes;

// Calls that touch at least this much prefetch into L1 (they exceed a core's own caches), and into L2 too (they exceed
// all caches). Smaller calls lose more by the instructions than they gain.
// The tile road fetches the next heads while it stores some, not while it loads them: norm, rotation and store of 2048
// tokens, f32 to f16, took 3.9 ms so and 6.1 ms the other way on two virtual Zen 4 cores.
inline constexpr int64_t kPrefetchNearFrom = int64_t{2} << 20;
inline constexpr int64_t kPrefetchFarFrom = int64_t{192} << 20;
// Out of place, and with heads processed together, only the second: 4096 heads of 128 in f32 from one buffer to another
// took 370 us with the first and 328 without on two virtual Zen 4 cores (32 MiB of third-level cache), in place 201 and
// 218. With non-temporal stores one size for both:
inline constexpr int64_t kPrefetchNonTemporalFrom = int64_t{128} << 20;

// Outputs of a call that exceed this in all, and are not in place, are stored non-temporally: they would not stay in
// the caches, and their lines need not be read before they are written.
inline constexpr int64_t kNonTemporalFrom = int64_t{16} << 20;
// By the tile road, which stores a column of all heads of a tile before the next: the hardware does not foresee which
// lines it will own. 512 tokens of 12 MiB written, f32 to f16, took 0.8 ms so and 1.4 ms by plain stores on Zen 4.
inline constexpr int64_t kTileNonTemporalFrom = int64_t{8} << 20;

// Heads that share each row of cos and sin while it is loaded, where the tokens of a head lie closer together than the
// heads of a token.
inline constexpr int64_t kHeadsTogether = 4;

// What one thread gets done in cache while oneTBB wakes others: 5 to 7 us at 60 GB/s.
inline constexpr int64_t kWakingBytes = 320 * 1024;
inline constexpr int64_t kMinBytesPerPart = 64 * 1024;
// A thread that wakes late leaves its parts to the others; so does a slower one, for which large calls have smaller
// parts: 16 instead of 4 a thread gained 5 to 8% on two virtual cores of unequal speed.
inline constexpr int64_t kLeastPartsPerThread = 4;
inline constexpr int64_t kMostPartsPerThread = 16;
inline constexpr int64_t kBytesPerPart = 512 * 1024;

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_MACHINE_H_
