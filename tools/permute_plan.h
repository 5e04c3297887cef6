// What `simdrope permute` does with each tensor of a file, decided before anything is written.
#ifndef SIMDROPE_TOOLS_PERMUTE_PLAN_H_
#define SIMDROPE_TOOLS_PERMUTE_PLAN_H_

#include <cstdint>
#include <simdrope/io.hpp>
#include <string>
#include <utility>
#include <vector>

#include "layer_sizes.h"
#include "permutation.h"

namespace simdrope::tool {

// NAME is one of the dot-separated parts of a tensor's name, or, with a * in it, the whole of it.
struct Pattern {
  char role;  // q, k, or - for one that is left alone
  std::string name;
};
Pattern ParsePattern(const std::string& text);  // q=NAME or k=NAME

struct PlanRequest {
  Pairing from, to;
  std::vector<LayerSizes> sizes;  // at least one
  std::vector<Pattern> patterns;  // with any of q or k, they stand in place of the known names
  int64_t kv_lora_rank = 0;       // 0: not known
  io::Model model;                // of --config: what a tensor's rows are, where its name does not say
  bool allow_unpaired = false;    // Q or K may be in another file
};

struct Move {
  const io::Safetensors::Entry* entry;
  std::vector<int64_t> source_rows;
  size_t row_bytes;
};

struct PermutePlan {
  std::vector<Move> moves;                                // in the order of the file's bytes
  std::vector<std::pair<std::string, std::string>> left;  // names that read like Q or K, and why they stay
};

// Fails, naming the tensor, where one may hold Q or K and cannot be told or reordered, and where Q comes without K.
PermutePlan MakePlan(const io::Safetensors& file, const PlanRequest& request);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_PERMUTE_PLAN_H_
