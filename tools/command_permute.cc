// simdrope permute: Q and K projections from one pairing to the other.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <simdrope/io.hpp>
#include <string>
#include <vector>

#include "command.h"
#include "failure.h"
#include "layer_sizes.h"
#include "names.h"
#include "output_file.h"
#include "permutation.h"
#include "permute_plan.h"
#include "printable.h"
#include "progress.h"
#include "rope_arguments.h"

namespace simdrope::tool {
namespace {

constexpr size_t kChunk = size_t{1} << 22;  // bytes copied between two steps of the progress bar

struct PermuteArguments {
  bool json = false;
  std::string model, from, to, out, config, layer_type;
  int64_t heads = 0, kv_heads = 0, head_dim = 0, rotary_dim = 0, rotary_offset = 0, kv_lora_rank = 0;
  bool allow_unknown = false, allow_unpaired = false, dry_run = false;
  std::vector<std::string> patterns, keep;

  void AddTo(CLI::App& app) {
    app.add_option("model", model, "A .safetensors file")->required();
    app.add_option("--from", from, Choices(kPairings))->required();
    app.add_option("--to", to, Choices(kPairings))->required();
    app.add_option("--out", out, "The new .safetensors file");
    app.add_flag("--dry-run", dry_run, "List what would be reordered and what would not, and write nothing");
    app.add_option("--config", config, "The model's config.json: numbers and sizes of its heads");
    app.add_option("--layer-type", layer_type, "Of the config, where it has several");
    app.add_flag("--allow-unknown", allow_unknown, "Of the config: warn about RoPE keys that are not understood");
    app.add_option("--heads", heads, "Heads of Q");
    app.add_option("--kv-heads", kv_heads, "Heads of K");
    app.add_option("--head-dim", head_dim, "Rows of one head");
    app.add_option("--rotary-dim", rotary_dim, "Rows of a head that are rotated; default: all from --rotary-offset");
    app.add_option("--rotary-offset", rotary_offset, "First rotated row");
    app.add_option("--kv-lora-rank", kv_lora_rank, "MLA: rows of kv_a_proj before the rotated ones");
    app.add_option("--pattern", patterns,
                   "q=NAME or k=NAME, in place of the known names: a part of the tensor's name between dots, or with * "
                   "the whole of it");
    app.add_option("--keep", keep, "NAME, likewise: leave these tensors as they are");
    app.add_flag("--allow-unpaired", allow_unpaired, "Q may be there without K, or K without Q");
  }
};

// What the options say, over what the config does.
HeadSizes Completed(const PermuteArguments& a, HeadSizes sizes) {
  for (const auto& [given, size] : {std::pair(a.heads, &sizes.q_heads), std::pair(a.kv_heads, &sizes.k_heads),
                                    std::pair(a.head_dim, &sizes.head_dim), std::pair(a.rotary_dim, &sizes.rotary_dim),
                                    std::pair(a.rotary_offset, &sizes.rotary_offset)}) {
    if (given != 0) *size = given;
  }
  if (sizes.head_dim == 0) Fail("--head-dim or --config is needed");
  if (sizes.rotary_dim == 0 && sizes.rotary_offset >= 0 && sizes.rotary_offset < sizes.head_dim) {
    sizes.rotary_dim = sizes.head_dim - sizes.rotary_offset;
  }
  CheckSizes(sizes);
  return sizes;
}

std::vector<LayerSizes> SizesOf(const PermuteArguments& a, io::Model& model) {
  if (a.config.empty()) return {{{}, Completed(a, {})}};
  io::ReadOptions options;
  options.allow_unknown = a.allow_unknown;
  model = Require(io::read_model(a.config, options), a.config);
  for (const std::string& warning : model.warnings) std::fprintf(stderr, "simdrope: warning: %s\n", warning.c_str());
  std::vector<LayerSizes> all = SizesOfModel(model, a.layer_type, a.config);
  if (all.empty()) {
    Fail(a.config, ": no layers ", a.layer_type.empty() ? "" : "of type '" + a.layer_type + "' ", "use RoPE");
  }
  for (LayerSizes& some : all) some.sizes = Completed(a, some.sizes);
  // Where all kinds have the same heads, it does not matter of which a layer is: one without RoPE gives the same
  // scores when its Q and K are reordered alike.
  if (std::all_of(all.begin(), all.end(), [&](const LayerSizes& some) { return some.sizes == all[0].sizes; })) {
    return {{{}, all[0].sizes}};
  }
  for (const LayerSizes& one : all) {
    if (one.layers.empty()) Fail(a.config, ": head sizes differ between layers, and which have which is not told");
  }
  return all;
}

PlanRequest RequestOf(const PermuteArguments& a) {
  PlanRequest request;
  request.from = Parse(kPairings, "--from", a.from);
  request.to = Parse(kPairings, "--to", a.to);
  if (request.from == request.to) Fail("--from and --to are both ", a.from, ": nothing to reorder");
  if (a.kv_lora_rank < 0) Fail("--kv-lora-rank is ", a.kv_lora_rank);
  request.allow_unpaired = a.allow_unpaired;
  for (const std::string& text : a.patterns) request.patterns.push_back(ParsePattern(text));
  for (const std::string& text : a.keep) request.patterns.push_back({'-', text});
  request.sizes = SizesOf(a, request.model);
  request.kv_lora_rank = a.kv_lora_rank != 0 ? a.kv_lora_rank : request.model.kv_lora_rank;
  return request;
}

// Calls `take(offset, data, bytes)` for all bytes of the new file, in order. Header and all other tensors are those of
// the old one, so that the inverse restores it.
template <class Take>
void EachPart(const io::Safetensors& file, const PermutePlan& plan, Take take) {
  std::vector<std::byte> bytes(kChunk), from;
  uint64_t at = 0;
  const auto copy_until = [&](uint64_t end) {
    while (at < end) {
      const size_t part = static_cast<size_t>(std::min<uint64_t>(kChunk, end - at));
      Require(file.read_bytes(at, bytes.data(), part));
      take(at, bytes.data(), part);
      at += part;
    }
  };
  for (const Move& move : plan.moves) {
    copy_until(move.entry->offset);
    from.resize(static_cast<size_t>(move.entry->bytes));
    Require(file.read_bytes(at, from.data(), from.size()));
    std::vector<std::byte> to(from.size());
    CopyRows(from.data(), to.data(), move.source_rows, move.row_bytes);
    take(at, to.data(), to.size());
    at += to.size();
  }
  copy_until(file.file_size());
}

// Reads the new file again, after it has been synced, and compares it with the old one row by row.
void Verify(const io::Safetensors& file, const PermutePlan& plan, io::FileWriter& out, Progress& progress) {
  std::vector<std::byte> written;
  EachPart(file, plan, [&](uint64_t offset, const std::byte* expected, size_t bytes) {
    written.resize(std::min(bytes, kChunk));
    for (size_t done = 0; done < bytes; done += written.size()) {
      written.resize(std::min(kChunk, bytes - done));
      Require(out.read_back(offset + done, written.data(), written.size()));
      if (std::memcmp(written.data(), expected + done, written.size()) != 0) {
        Fail("--out: what was read back near byte ", offset + done, " is not what was written; the old file stays");
      }
      progress.Add(static_cast<int64_t>(written.size()));
    }
  });
}

void Write(const io::Safetensors& file, const PermutePlan& plan, const std::string& path) {
  Progress progress("permuting", 2 * static_cast<int64_t>(file.file_size()));
  io::FileWriter out(path);
  const auto require = [](const Status& status) {
    if (!status) Fail("--out: ", status.message());
  };
  EachPart(file, plan, [&](uint64_t, const std::byte* data, size_t bytes) {
    out.write(data, bytes);
    progress.Add(static_cast<int64_t>(bytes));
  });
  require(out.sync());
  Verify(file, plan, out, progress);
  require(out.commit());
}

int RunPermute(const PermuteArguments& arguments) {
  if (arguments.out.empty() && !arguments.dry_run) Fail("--out is required (or --dry-run)");
  std::error_code error;
  if (!std::filesystem::exists(arguments.model, error)) Fail(arguments.model, ": no such file");
  if (!arguments.out.empty()) {
    RefuseInput("--out", arguments.out, {{"the model", arguments.model}, {"--config", arguments.config}});
  }
  const PlanRequest request = RequestOf(arguments);
  const io::Safetensors file = Require(io::Safetensors::open(arguments.model), arguments.model);
  const PermutePlan plan = MakePlan(file, request);
  if (!arguments.dry_run) Write(file, plan, arguments.out);

  const size_t copied = file.entries().size() - plan.moves.size();
  if (arguments.json) {
    Json names = Json::array(), left = Json::array();
    for (const Move& move : plan.moves) names.push_back(move.entry->name);
    for (const auto& [name, reason] : plan.left) left.push_back({{"tensor", name}, {"why", reason}});
    const HeadSizes& sizes = request.sizes[0].sizes;
    Print({{"from", arguments.from},
           {"to", arguments.to},
           {"head_dim", sizes.head_dim},
           {"rotary_dim", sizes.rotary_dim},
           {"rotary_offset", sizes.rotary_offset},
           {"permuted", names},
           {"left", left},
           {"copied", copied},
           {"file", arguments.dry_run ? Json(nullptr) : Json(arguments.out)}});
    return 0;
  }
  const char* verb = arguments.dry_run ? "would permute" : "permuted";
  for (const Move& move : plan.moves) std::printf("%s %s\n", verb, Printable(move.entry->name).c_str());
  for (const auto& [name, reason] : plan.left) {
    std::printf("left as it is: %s (%s)\n", Printable(name).c_str(), Printable(reason).c_str());
  }
  std::printf("%s %zu other tensors\n", arguments.dry_run ? "would copy" : "copied", copied);
  if (!arguments.dry_run) std::printf("wrote %s\n", Printable(arguments.out).c_str());
  return 0;
}

}  // namespace

void AddPermute(CLI::App& app, int& exit_code) {
  AddCommand<PermuteArguments>(app, exit_code, "permute",
                               "Reorder Q and K projection rows between interleaved and half pairing", RunPermute);
}

}  // namespace simdrope::tool
