#include "permutation.h"

#include <cstring>
#include <string_view>

#include "failure.h"

namespace simdrope::tool {
namespace {

// Q, K and V in one tensor: no pattern can tell their rows apart.
constexpr std::string_view kFused[] = {"qkv_proj", "query_key_value", "c_attn", "W_pack", "Wqkv", "attn_qkv", "qkv"};

std::vector<std::string_view> PartsOf(std::string_view name) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// * stands for any characters.
bool Fits(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] != '*') return !text.empty() && text[0] == pattern[0] && Fits(pattern.substr(1), text.substr(1));
  for (size_t skipped = 0; skipped <= text.size(); ++skipped) {
    if (Fits(pattern.substr(1), text.substr(skipped))) return true;
  }
  return false;
}

bool Matches(const std::string& pattern, std::string_view name) {
  if (pattern.find('*') != std::string::npos) return Fits(pattern, name);
  for (const std::string_view part : PartsOf(name)) {
    if (part == pattern) return true;
  }
  return false;
}

bool IsFused(std::string_view name) {
  for (const std::string_view fused : kFused) {
    if (Matches(std::string(fused), name)) return true;
  }
  return false;
}

Selected SelectOne(const io::Safetensors::Entry& entry, Role role, const HeadSizes& sizes) {
  const std::string_view last = PartsOf(entry.name).back();
  if (last == "qweight" || last == "qzeros" || last == "scales" || last == "g_idx" || last == "lora_A") {
    Fail("tensor '", entry.name, "' is quantised or factored; its rows are not those of Q or K");
  }
  if (entry.shape.empty() || entry.shape[0] % sizes.head_dim != 0 || entry.shape[0] == 0) {
    Fail("tensor '", entry.name, "' has ", entry.shape.empty() ? 0 : entry.shape[0],
         " rows, which are no whole heads of ", sizes.head_dim);
  }
  const int64_t heads = entry.shape[0] / sizes.head_dim;
  const int64_t known = role == Role::kQuery ? sizes.q_heads : sizes.k_heads;
  // A norm may have one head for all.
  const bool is_shared = heads == 1 && entry.shape.size() == 1;
  if (known != 0 && heads != known && !is_shared) {
    Fail("tensor '", entry.name, "' has ", entry.shape[0], " rows, not ", known, " heads of ", sizes.head_dim);
  }
  return {&entry, heads, entry.bytes / static_cast<size_t>(entry.shape[0])};
}

}  // namespace

const std::vector<Pattern>& DefaultPatterns() {
  static const std::vector<Pattern> patterns = [] {
    std::vector<Pattern> all;
    for (const char* name :
         {"q_proj", "wq", "attn_q", "query", "q_norm", "attn_q_norm", "q_layernorm", "query_layernorm"}) {
      all.push_back({Role::kQuery, name});
    }
    for (const char* name :
         {"k_proj", "wk", "attn_k", "key", "k_norm", "attn_k_norm", "k_layernorm", "key_layernorm"}) {
      all.push_back({Role::kKey, name});
    }
    return all;
  }();
  return patterns;
}

Pattern ParsePattern(const std::string& text) {
  if (text.size() < 3 || text[1] != '=' || (text[0] != 'q' && text[0] != 'k')) {
    Fail("--pattern '", text, "' is neither q=NAME nor k=NAME");
  }
  return {text[0] == 'q' ? Role::kQuery : Role::kKey, text.substr(2)};
}

std::vector<int64_t> SourceRows(const HeadSizes& sizes, Pairing from, Pairing to) {
  std::vector<int64_t> source(static_cast<size_t>(sizes.head_dim));
  for (int64_t r = 0; r < sizes.head_dim; ++r) source[static_cast<size_t>(r)] = r;
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

std::vector<Selected> Select(const io::Safetensors& file, const std::vector<Pattern>& patterns,
                             const HeadSizes& sizes) {
  std::vector<Selected> selected;
  const bool is_default = &patterns == &DefaultPatterns();
  for (const io::Safetensors::Entry& entry : file.entries()) {
    const Pattern* matching = nullptr;
    for (const Pattern& pattern : patterns) {
      if (!Matches(pattern.name, entry.name)) continue;
      if (matching != nullptr && matching->role != pattern.role) Fail("tensor '", entry.name, "' matches both q and k");
      matching = &pattern;
    }
    if (matching != nullptr) {
      selected.push_back(SelectOne(entry, matching->role, sizes));
    } else if (is_default && IsFused(entry.name)) {
      Fail("tensor '", entry.name, "' holds Q, K and V together; split it first, or choose tensors with --pattern");
    }
  }
  return selected;
}

std::vector<std::byte> Reordered(const Selected& selected, const std::vector<int64_t>& source_rows) {
  std::vector<std::byte> bytes(selected.entry->bytes);
  const size_t rows = source_rows.size();
  for (size_t head = 0; head < static_cast<size_t>(selected.heads); ++head) {
    for (size_t r = 0; r < rows; ++r) {
      std::memcpy(bytes.data() + (head * rows + r) * selected.row_bytes,
                  selected.entry->data + (head * rows + static_cast<size_t>(source_rows[r])) * selected.row_bytes,
                  selected.row_bytes);
    }
  }
  return bytes;
}

}  // namespace simdrope::tool
