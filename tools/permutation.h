// Reordering of projection rows between the pairings.
#ifndef SIMDROPE_TOOLS_PERMUTATION_H_
#define SIMDROPE_TOOLS_PERMUTATION_H_

#include <cstddef>
#include <cstdint>
#include <simdrope/io.hpp>
#include <string>
#include <vector>

namespace simdrope::tool {

// The rotated window of a head, and the numbers of heads as far as they are known (0: not).
struct HeadSizes {
  int64_t q_heads = 0, k_heads = 0;
  int64_t head_dim = 0;
  int64_t rotary_dim = 0;
  int64_t rotary_offset = 0;

  bool operator==(const HeadSizes&) const = default;
};

// Fails unless the window lies within the head, as whole pairs.
void CheckSizes(const HeadSizes& sizes);

// What the rows of a tensor are.
enum class RowForm {
  kQuery,       // heads of Q
  kGatedQuery,  // for each head of Q: itself, then a gate as wide
  kKey,         // heads of K
  kQueryNorm,   // one head for all, or all heads of Q
  kKeyNorm,     // one head for all, or all heads of K
  kLatentKey,   // MLA: a latent, and after it the rotated part of the one K of all heads
  kBlocks,      // all heads of Q, then all of K, then all of V
  kGroups,      // for each head of K: its heads of Q, then itself, then its head of V
  kPartitions,  // four parts: Q, V and K of a quarter of the heads each
  kFused,       // Q, K and V in one, but the name does not tell which of these it is
};

// What a tensor's rows are in this model, where its name says `form`.
RowForm FormOf(RowForm form, const io::Model& model);

// For each row of a tensor of `rows` rows, the row that it comes from when the windows go from one pairing to the
// other. Fails, naming `tensor`, where the rows are not what `form` and `sizes` say, or the sizes needed are not known.
std::vector<int64_t> SourceRows(const std::string& tensor, RowForm form, int64_t rows, const HeadSizes& sizes,
                                Pairing from, Pairing to);

// `to[r] = from[source[r]]`, rows of `row_bytes`.
void CopyRows(const std::byte* from, std::byte* to, const std::vector<int64_t>& source, size_t row_bytes);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_PERMUTATION_H_
