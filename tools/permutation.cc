#include "permutation.h"

#include <cstring>
#include <numeric>

#include "failure.h"

namespace simdrope::tool {
namespace {

// Where row r of a head comes from.
std::vector<int64_t> SourceInHead(const HeadSizes& sizes, Pairing from, Pairing to) {
  std::vector<int64_t> source(static_cast<size_t>(sizes.head_dim));
  std::iota(source.begin(), source.end(), 0);
  const int64_t pairs = sizes.rotary_dim / 2;
  const auto row_of = [&](Pairing pairing, int64_t pair, int64_t element) {
    return sizes.rotary_offset + (pairing == half ? pair + element * pairs : 2 * pair + element);
  };
  for (int64_t i = 0; i < pairs; ++i) {
    for (int64_t element = 0; element < 2; ++element) {
      source[static_cast<size_t>(row_of(to, i, element))] = row_of(from, i, element);
    }
  }
  return source;
}

// Of `heads` heads from `begin` on.
void SetHeads(std::vector<int64_t>& rows, int64_t begin, int64_t heads, const std::vector<int64_t>& in_head) {
  const auto head_dim = static_cast<int64_t>(in_head.size());
  for (int64_t h = 0; h < heads; ++h) {
    const int64_t first = begin + h * head_dim;
    for (int64_t r = 0; r < head_dim; ++r) {
      rows[static_cast<size_t>(first + r)] = first + in_head[static_cast<size_t>(r)];
    }
  }
}

int64_t Known(const std::string& tensor, int64_t heads, const char* which, const char* option) {
  if (heads == 0) Fail("tensor ", tensor, ": how many heads ", which, " has must be known: ", option, " or --config");
  return heads;
}

}  // namespace

void CheckSizes(const HeadSizes& s) {
  // No sum of them: each may be anything that a user can type.
  const bool fits = s.head_dim >= 2 && s.head_dim <= SIMDROPE_MAX_HEAD_DIM && s.rotary_offset >= 0 &&
                    s.rotary_offset <= s.head_dim && s.rotary_dim >= 2 && s.rotary_dim % 2 == 0 &&
                    s.rotary_dim <= s.head_dim - s.rotary_offset;
  if (!fits) {
    Fail("--rotary-dim ", s.rotary_dim, " from --rotary-offset ", s.rotary_offset,
         " must be even and within --head-dim ", s.head_dim, ", which is 2 to ", SIMDROPE_MAX_HEAD_DIM);
  }
  constexpr int64_t kMostHeads = 1 << 20;
  for (const int64_t heads : {s.q_heads, s.k_heads}) {
    if (heads < 0 || heads > kMostHeads) Fail("--heads and --kv-heads must be 1 to ", kMostHeads, ", not ", heads);
  }
}

RowForm FormOf(RowForm form, const io::Model& model) {
  switch (form) {
    case RowForm::kQuery: return model.query_gate ? RowForm::kGatedQuery : form;
    case RowForm::kBlocks:
    case RowForm::kGroups:
    case RowForm::kPartitions:
    case RowForm::kFused: break;
    default: return form;
  }
  switch (model.qkv_rows) {
    case io::QkvRows::by_name: break;
    case io::QkvRows::blocks: return RowForm::kBlocks;
    case io::QkvRows::groups: return RowForm::kGroups;
    case io::QkvRows::partitions: return RowForm::kPartitions;
  }
  return form;
}

std::vector<int64_t> SourceRows(const std::string& tensor, RowForm form, int64_t rows, const HeadSizes& sizes,
                                Pairing from, Pairing to) {
  std::vector<int64_t> in_head = SourceInHead(sizes, from, to);
  const int64_t head_dim = sizes.head_dim;
  const auto q_heads = [&] { return Known(tensor, sizes.q_heads, "Q", "--heads"); };
  const auto k_heads = [&] { return Known(tensor, sizes.k_heads, "K", "--kv-heads"); };
  const auto require_rows = [&](int64_t heads, const std::string& what) {
    if (rows != heads * head_dim) {
      Fail("tensor ", tensor, " has ", rows, " rows, not ", what, " of ", head_dim);
    }
  };
  std::vector<int64_t> source(static_cast<size_t>(rows));
  std::iota(source.begin(), source.end(), 0);
  switch (form) {
    case RowForm::kQuery:
      require_rows(q_heads(), Text(sizes.q_heads, " heads"));
      SetHeads(source, 0, sizes.q_heads, in_head);
      break;
    case RowForm::kGatedQuery:
      require_rows(2 * q_heads(), Text(sizes.q_heads, " heads, each with a gate,"));
      for (int64_t h = 0; h < sizes.q_heads; ++h) SetHeads(source, 2 * h * head_dim, 1, in_head);
      break;
    case RowForm::kKey:
      require_rows(k_heads(), Text(sizes.k_heads, " heads"));
      SetHeads(source, 0, sizes.k_heads, in_head);
      break;
    case RowForm::kQueryNorm:
    case RowForm::kKeyNorm: {
      if (rows == head_dim) {
        SetHeads(source, 0, 1, in_head);
        break;
      }
      const int64_t heads = form == RowForm::kQueryNorm ? q_heads() : k_heads();
      require_rows(heads, Text("one head or ", heads, " heads"));
      SetHeads(source, 0, heads, in_head);
      break;
    }
    case RowForm::kLatentKey: {
      if (rows <= sizes.rotary_dim)
        Fail("tensor ", tensor, " has ", rows, " rows, not a latent and ", sizes.rotary_dim);
      HeadSizes rotated;
      rotated.head_dim = rotated.rotary_dim = sizes.rotary_dim;
      SetHeads(source, rows - sizes.rotary_dim, 1, SourceInHead(rotated, from, to));
      break;
    }
    case RowForm::kBlocks: {
      const int64_t heads = q_heads() + k_heads();
      require_rows(heads + sizes.k_heads, Text(sizes.q_heads, " + 2 x ", sizes.k_heads, " heads"));
      SetHeads(source, 0, heads, in_head);
      break;
    }
    case RowForm::kGroups: {
      const int64_t group = q_heads() / k_heads();
      if (group * sizes.k_heads != sizes.q_heads) {
        Fail("tensor ", tensor, ": ", sizes.q_heads, " heads of Q are no groups for ", sizes.k_heads, " of K");
      }
      require_rows(sizes.k_heads * (group + 2), Text(sizes.k_heads, " groups of ", group + 2, " heads"));
      for (int64_t k = 0; k < sizes.k_heads; ++k) SetHeads(source, k * (group + 2) * head_dim, group + 1, in_head);
      break;
    }
    case RowForm::kPartitions: {
      constexpr int64_t kParts = 4;
      const int64_t part = q_heads() / kParts;
      if (part * kParts != sizes.q_heads || k_heads() != sizes.q_heads) {
        Fail("tensor ", tensor, ": ", sizes.q_heads, " heads of Q and ", sizes.k_heads, " of K are not ", kParts,
             " equal parts");
      }
      require_rows(3 * sizes.q_heads, Text("3 x ", sizes.q_heads, " heads"));
      for (int64_t p = 0; p < kParts; ++p) {
        const int64_t begin = p * 3 * part * head_dim;  // [Q, V, K]
        SetHeads(source, begin, part, in_head);
        SetHeads(source, begin + 2 * part * head_dim, part, in_head);
      }
      break;
    }
    case RowForm::kFused:
      Fail("tensor ", tensor, ": whether its heads of Q, K and V alternate must be known: --config");
  }
  return source;
}

void CopyRows(const std::byte* from, std::byte* to, const std::vector<int64_t>& source, size_t row_bytes) {
  for (size_t r = 0; r < source.size(); ++r) {
    std::memcpy(to + r * row_bytes, from + static_cast<size_t>(source[r]) * row_bytes, row_bytes);
  }
}

}  // namespace simdrope::tool
