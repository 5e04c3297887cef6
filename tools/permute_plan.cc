#include "permute_plan.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "failure.h"
#include "printable.h"
#include "projection_names.h"

namespace simdrope::tool {
namespace {

using Entry = io::Safetensors::Entry;
using Kind = NameMeaning::Kind;

// * stands for any characters. Of several * the last is retried alone, so the time is at most their product.
bool FitsWhole(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, retried = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retried = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++retried;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool Matches(const Pattern& pattern, std::string_view name) {
  if (pattern.name.find('*') != std::string::npos) return FitsWhole(pattern.name, name);
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    if (name.substr(begin, end - begin) == pattern.name) return true;
    begin = end + 1;
  }
  return false;
}

std::string Quoted(const std::string& name) { return "'" + Printable(name) + "'"; }

int64_t Rows(const Entry& entry) { return entry.shape.empty() ? 1 : entry.shape[0]; }

int64_t Elements(const Entry& entry) {
  return std::accumulate(entry.shape.begin(), entry.shape.end(), int64_t{1}, std::multiplies<>());
}

class Planner {
 public:
  Planner(const io::Safetensors& file, const PlanRequest& request) : file_(file), request_(request) {
    uses_rules_ = std::none_of(request.patterns.begin(), request.patterns.end(),
                               [](const Pattern& pattern) { return pattern.role != '-'; });
  }

  PermutePlan Make() {
    for (const Entry& entry : file_.entries()) PlanOne(entry);
    if (plan_.moves.empty()) {
      Fail("no tensor is named as a Q or K projection; say which by --pattern q=NAME and k=NAME");
    }
    if (!request_.allow_unpaired) RequirePairs();
    std::sort(plan_.moves.begin(), plan_.moves.end(),
              [](const Move& a, const Move& b) { return a.entry->offset < b.entry->offset; });
    return std::move(plan_);
  }

 private:
  // The pattern that `name` fits, if any.
  const Pattern* PatternOf(const Entry& entry) const {
    const Pattern* matching = nullptr;
    for (const Pattern& pattern : request_.patterns) {
      if (!Matches(pattern, entry.name)) continue;
      if (matching != nullptr && matching->role != pattern.role) {
        Fail("tensor ", Quoted(entry.name), " fits --pattern or --keep '", Printable(matching->name), "' and '",
             Printable(pattern.name), "'");
      }
      matching = &pattern;
    }
    return matching;
  }

  void PlanOne(const Entry& entry) {
    if (const Pattern* pattern = PatternOf(entry)) {
      if (pattern->role == '-') {
        plan_.left.emplace_back(entry.name, "--keep");
        return;
      }
      const bool is_query = pattern->role == 'q';
      // A vector may be a bias, which has all heads, or a norm, which may have one.
      const bool is_vector = entry.shape.size() < 2;
      AddMove(entry,
              is_query ? (is_vector ? RowForm::kQueryNorm : RowForm::kQuery)
                       : (is_vector ? RowForm::kKeyNorm : RowForm::kKey),
              SizesOf(std::nullopt, entry));
      if (!is_vector) ++(is_query ? chosen_queries_ : chosen_keys_);
      return;
    }
    if (!uses_rules_) return;
    NameMeaning meaning = MeaningOf(entry.name);
    meaning.form = FormOf(meaning.form, request_.model);
    switch (meaning.kind) {
      case Kind::kOther: return;
      case Kind::kElsewhere: plan_.left.emplace_back(entry.name, meaning.reason); return;
      case Kind::kUnknown:
        Fail("tensor ", Quoted(entry.name), " may hold Q or K (", meaning.reason,
             "), but its name is not a known one: --keep NAME leaves it as it is, --pattern q=NAME or k=NAME reorders "
             "it");
      case Kind::kScale: PlanScale(entry, meaning); return;
      case Kind::kRows: break;
    }
    if (meaning.form == RowForm::kLatentKey) RequireLatent(entry, meaning);
    AddMove(entry, meaning.form, SizesOf(meaning.layer, entry));
    if (meaning.is_weight) Count(meaning, entry.name);
  }

  const HeadSizes& SizesOf(std::optional<int64_t> layer, const Entry& entry) const {
    if (const HeadSizes* sizes = SizesOfLayer(request_.sizes, layer)) return *sizes;
    Fail("tensor ", Quoted(entry.name), ": the config does not tell the head sizes of its layer; say --layer-type");
  }

  void AddMove(const Entry& entry, RowForm form, const HeadSizes& sizes) {
    if (entry.bytes == 0) Fail("tensor ", Quoted(entry.name), " is empty");
    if (entry.shape.empty() || entry.shape.size() > 2) {
      Fail("tensor ", Quoted(entry.name), " has ", entry.shape.size(), " dimensions, not 1 or 2");
    }
    // Cohere's norms are [heads, head_dim].
    const bool is_norm = form == RowForm::kQueryNorm || form == RowForm::kKeyNorm;
    const int64_t rows = is_norm ? Elements(entry) : Rows(entry);
    plan_.moves.push_back({&entry, SourceRows(Quoted(entry.name), form, rows, sizes, request_.from, request_.to),
                           static_cast<size_t>(entry.bytes) / static_cast<size_t>(rows)});
  }

  // The latent has no name of its own in the tensor: its width must be known from elsewhere.
  void RequireLatent(const Entry& entry, const NameMeaning& meaning) {
    int64_t latent = request_.kv_lora_rank;
    for (const char* norm : {"kv_a_layernorm.weight", "attn_kv_a_norm.weight"}) {
      const Entry* found = file_.find(meaning.block + norm);
      if (latent == 0 && found != nullptr) latent = Elements(*found);
    }
    if (latent == 0) {
      Fail("tensor ", Quoted(entry.name), ": how many of its rows are the latent must be known: --kv-lora-rank");
    }
    const int64_t rotary = SizesOf(meaning.layer, entry).rotary_dim;
    if (Rows(entry) - rotary != latent) {
      Fail("tensor ", Quoted(entry.name), " has ", Rows(entry), " rows, not a latent of ", latent, " and ", rotary,
           " rotated ones");
    }
  }

  // A scale for each row moves with its row; one for a block of rows stays, if no row leaves its block.
  void PlanScale(const Entry& entry, const NameMeaning& meaning) {
    if (Elements(entry) == 1) {
      plan_.left.emplace_back(entry.name, "one scale for all rows");
      return;
    }
    const Entry* scaled = file_.find(meaning.of);
    if (scaled == nullptr) Fail("tensor ", Quoted(entry.name), " scales ", Quoted(meaning.of), ", which is not there");
    if (entry.shape.size() > 2) Fail("tensor ", Quoted(entry.name), " has ", entry.shape.size(), " dimensions");
    const HeadSizes& sizes = SizesOf(meaning.layer, entry);
    const int64_t rows = Rows(*scaled), scales = Rows(entry);
    if (scales == rows) {
      AddMove(entry, meaning.form, sizes);
      return;
    }
    constexpr int64_t kBlock = 128;  // of the published FP8 checkpoints
    if (scales != (rows + kBlock - 1) / kBlock) {
      Fail("tensor ", Quoted(entry.name), " has ", scales, " rows of scales for ", rows,
           " rows; one for each, for all, or for a block of ", kBlock, " is understood");
    }
    const std::vector<int64_t> source =
        SourceRows(Quoted(meaning.of), meaning.form, rows, sizes, request_.from, request_.to);
    for (size_t r = 0; r < source.size(); ++r) {
      if (source[r] / kBlock != static_cast<int64_t>(r) / kBlock) {
        Fail("tensor ", Quoted(entry.name), " scales blocks of ", kBlock, " rows, and row ", source[r],
             " would go to another block, at ", r);
      }
    }
    plan_.left.emplace_back(entry.name, "scales blocks that rows do not leave");
  }

  void Count(const NameMeaning& meaning, const std::string& name) {
    Block& block = blocks_[meaning.block];
    block.name = name;
    switch (meaning.form) {
      case RowForm::kQuery:
      case RowForm::kGatedQuery: block.has_query = true; break;
      case RowForm::kKey:
      case RowForm::kLatentKey: block.has_key = true; break;
      default: block.has_query = block.has_key = true; break;
    }
  }

  void RequirePairs() const {
    const char* kAdvice = "; if that is right (part of a model, keys shared with another layer), say --allow-unpaired";
    for (const auto& [prefix, block] : blocks_) {
      if (block.has_query != block.has_key) {
        Fail("tensor ", Quoted(block.name), " would be reordered, but no ", block.has_query ? "K" : "Q", " with it",
             kAdvice);
      }
    }
    if (!uses_rules_ && (chosen_queries_ == 0) != (chosen_keys_ == 0)) {
      Fail("--pattern chooses ", chosen_queries_, " tensors of Q and ", chosen_keys_, " of K", kAdvice);
    }
  }

  struct Block {
    std::string name;
    bool has_query = false, has_key = false;
  };

  const io::Safetensors& file_;
  const PlanRequest& request_;
  bool uses_rules_;
  PermutePlan plan_;
  std::map<std::string, Block> blocks_;
  int chosen_queries_ = 0, chosen_keys_ = 0;
};

}  // namespace

Pattern ParsePattern(const std::string& text) {
  if (text.size() < 3 || text[1] != '=' || (text[0] != 'q' && text[0] != 'k')) {
    Fail("--pattern '", Printable(text), "' is neither q=NAME nor k=NAME");
  }
  return {text[0], text.substr(2)};
}

PermutePlan MakePlan(const io::Safetensors& file, const PlanRequest& request) { return Planner(file, request).Make(); }

}  // namespace simdrope::tool
