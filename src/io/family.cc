#include "io/family.h"

#include <algorithm>
#include <vector>

namespace simdrope::io {
namespace {

// Insertions, deletions and replacements that turn one name into the other.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace

std::span<const Family> families(FileType file) {
  return file == FileType::config_json ? config_families() : gguf_families();
}

const Kind* Family::kind(std::string_view type) const {
  for (const Kind& kind : kinds) {
    if (any_word(kind.type, [&](std::string_view known) { return known == type; })) return &kind;
  }
  return nullptr;
}

const Family* Families::find(FileType file, std::string_view name) const {
  for (const std::span<const Family> rows : {more, families(file)}) {
    for (const Family& family : rows) {
      if (any_word(family.names, [&](std::string_view known) { return known == name; })) return &family;
    }
  }
  return nullptr;
}

std::string Families::nearest(FileType file, std::string_view name) const {
  constexpr size_t kLongest = 64;
  constexpr size_t kLeastPrefix = 3;
  std::string best;
  double best_score = 0;
  if (name.empty() || name.size() > kLongest) return best;
  for (const std::span<const Family> rows : {more, families(file)}) {
    for (const Family& family : rows) {
      any_word(family.names, [&](std::string_view known) {
        const size_t prefix = common_prefix(name, known);
        const double longest = static_cast<double>(std::max(name.size(), known.size()));
        const double alike = 1.0 - static_cast<double>(distance(name, known)) / longest;
        const double score = alike + static_cast<double>(prefix) / longest;
        if ((prefix >= kLeastPrefix || alike >= 0.5) && score > best_score) {
          best_score = score;
          best = std::string(known);
        }
        return false;
      });
    }
  }
  return best;
}

}  // namespace simdrope::io
