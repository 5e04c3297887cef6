// Reordering of projection rows between the pairings, and which tensors of a file it concerns.
#ifndef SIMDROPE_TOOLS_PERMUTATION_H_
#define SIMDROPE_TOOLS_PERMUTATION_H_

#include <cstddef>
#include <cstdint>
#include <simdrope/io.hpp>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

namespace simdrope::tool {

enum class Role { kQuery, kKey };

// A tensor matches where `name` is one of the dot-separated parts of its own name, or, with a * in it,
// fits the whole of it.
struct Pattern {
  Role role;
  std::string name;
};

const std::vector<Pattern>& DefaultPatterns();
Pattern ParsePattern(const std::string& text);  // q=NAME or k=NAME

// Sizes of a head, and the numbers of heads as far as they are known (0: not).
struct HeadSizes {
  int64_t q_heads = 0, k_heads = 0;
  int64_t head_dim = 0;
  int64_t rotary_dim = 0;
  int64_t rotary_offset = 0;
};

// Where row r of a head comes from when its window goes from one pairing to the other.
std::vector<int64_t> SourceRows(const HeadSizes& sizes, Pairing from, Pairing to);

// A tensor whose rows are to be reordered.
struct Selected {
  const io::Safetensors::Entry* entry;
  int64_t heads;
  size_t row_bytes;
};

// Those of `file` that the patterns match; fails on one that matches but cannot be reordered, and where
// Q and K are stored in a way that the patterns do not reach (fused with V, quantised).
std::vector<Selected> Select(const io::Safetensors& file, const std::vector<Pattern>& patterns, const HeadSizes& sizes);

// The tensor's bytes with the rows of every head reordered.
std::vector<std::byte> Reordered(const Selected& selected, const std::vector<int64_t>& source_rows);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_PERMUTATION_H_
