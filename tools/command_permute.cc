// simdrope permute: Q and K projections from one pairing to the other.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <simdrope/io.hpp>
#include <string>
#include <vector>

#include "command.h"
#include "failure.h"
#include "names.h"
#include "output_file.h"
#include "permutation.h"
#include "progress.h"
#include "rope_arguments.h"

namespace simdrope::tool {
namespace {

constexpr size_t kChunk = size_t{1} << 22;  // bytes copied between two steps of the progress bar

struct Arguments {
  bool json = false;
  std::string model, from, to, out, config, layer_type;
  int64_t heads = 0, kv_heads = 0, head_dim = 0, rotary_dim = 0, rotary_offset = 0;
  bool allow_unknown = false;
  std::vector<std::string> patterns;

  void AddTo(CLI::App& app) {
    app.add_option("model", model, "A .safetensors file")->required();
    app.add_option("--from", from, Choices(kPairings))->required();
    app.add_option("--to", to, Choices(kPairings))->required();
    app.add_option("--out", out, "The new .safetensors file")->required();
    app.add_option("--config", config, "The model's config.json: sizes of its heads");
    app.add_option("--layer-type", layer_type, "Of the config, where it has several");
    app.add_flag("--allow-unknown", allow_unknown, "Of the config: warn about RoPE keys that are not understood");
    app.add_option("--heads", heads, "Heads of Q");
    app.add_option("--kv-heads", kv_heads, "Heads of K");
    app.add_option("--head-dim", head_dim, "Rows of one head");
    app.add_option("--rotary-dim", rotary_dim, "Rows of a head that are rotated; default: all from --rotary-offset");
    app.add_option("--rotary-offset", rotary_offset, "First rotated row");
    app.add_option("--pattern", patterns,
                   "q=NAME or k=NAME, in place of the usual names (q_proj, k_proj, wq, wk, attn_q, attn_k, q_norm, "
                   "k_norm ...): a part of the tensor's name between dots, or with * the whole of it");
  }
};

HeadSizes SizesOf(const Arguments& a) {
  HeadSizes sizes{a.heads, a.kv_heads, a.head_dim, a.rotary_dim, a.rotary_offset};
  if (!a.config.empty()) {
    RopeArguments rope;
    rope.config = a.config;
    rope.layer_type = a.layer_type;
    rope.allow_unknown = a.allow_unknown;
    const RopeChoice choice = rope.Resolve();
    const Rope compiled = Compile(choice.config, a.config);
    const simdrope_rope_info info = compiled.info();
    if (info.split != info.pairs) Fail(a.config, ": split pairs across the whole head cannot be permuted");
    if (sizes.q_heads == 0) sizes.q_heads = choice.q_heads;
    if (sizes.k_heads == 0) sizes.k_heads = choice.k_heads;
    if (sizes.head_dim == 0) sizes.head_dim = info.head_dim;
    if (sizes.rotary_offset == 0) sizes.rotary_offset = info.rotary_offset;
    if (sizes.rotary_dim == 0) sizes.rotary_dim = info.rotary_dim;
  }
  if (sizes.head_dim == 0) Fail("--head-dim or --config is needed");
  if (sizes.rotary_dim == 0) sizes.rotary_dim = sizes.head_dim - sizes.rotary_offset;
  if (sizes.head_dim < 2 || sizes.rotary_dim < 2 || sizes.rotary_dim % 2 != 0 || sizes.rotary_offset < 0 ||
      sizes.rotary_offset + sizes.rotary_dim > sizes.head_dim || sizes.q_heads < 0 || sizes.k_heads < 0) {
    Fail("rotary_dim = ", sizes.rotary_dim, " from ", sizes.rotary_offset,
         " must be even and within head_dim = ", sizes.head_dim);
  }
  return sizes;
}

// The length of what stands before the tensors' bytes: 8 bytes and the header.
size_t HeaderBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  unsigned char length[8] = {};
  file.read(reinterpret_cast<char*>(length), sizeof length);
  if (!file) Fail(path, ": cannot read");
  uint64_t header = 0;
  for (int i = 7; i >= 0; --i) header = header << 8 | length[i];
  return static_cast<size_t>(header) + sizeof length;
}

// The header and all other tensors are copied as they stand, so that the inverse restores the file.
void WritePermuted(const std::string& from, const std::string& to, const io::Safetensors& file,
                   const std::vector<Selected>& selected, const std::vector<int64_t>& source_rows) {
  const size_t header = HeaderBytes(from);
  std::map<const io::Safetensors::Entry*, const Selected*> reordered;
  for (const Selected& one : selected) reordered[one.entry] = &one;
  std::vector<const io::Safetensors::Entry*> entries;
  size_t total = header;
  for (const io::Safetensors::Entry& entry : file.entries()) {
    entries.push_back(&entry);
    total += entry.bytes;
  }
  std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) { return a->data < b->data; });
  if (total != std::filesystem::file_size(from)) Fail(from, ": tensors do not fill the file");

  Progress progress("permuting", static_cast<int64_t>(total));
  io::FileWriter out(to);
  const auto write = [&](const void* data, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
      const size_t part = std::min(kChunk, bytes - done);
      out.write(static_cast<const char*>(data) + done, part);
      done += part;
      progress.Add(static_cast<int64_t>(part));
    }
  };
  std::vector<char> head(header);
  std::ifstream(from, std::ios::binary).read(head.data(), static_cast<std::streamsize>(header));
  write(head.data(), header);
  for (const io::Safetensors::Entry* entry : entries) {
    const auto at = reordered.find(entry);
    if (at == reordered.end()) {
      write(entry->data, entry->bytes);
    } else {
      const std::vector<std::byte> bytes = Reordered(*at->second, source_rows);
      write(bytes.data(), bytes.size());
    }
  }
  const Status status = out.commit();
  if (!status) Fail("--out: ", status.message());
}

int Run(const Arguments& arguments) {
  const Pairing from = Parse(kPairings, "--from", arguments.from);
  const Pairing to = Parse(kPairings, "--to", arguments.to);
  std::error_code error;
  if (!std::filesystem::exists(arguments.model, error)) Fail(arguments.model, ": no such file");
  RefuseInput("--out", arguments.out, {{"the model", arguments.model}, {"--config", arguments.config}});
  const HeadSizes sizes = SizesOf(arguments);
  const io::Safetensors file = Require(io::Safetensors::open(arguments.model), arguments.model);
  std::vector<Pattern> chosen;
  for (const std::string& text : arguments.patterns) chosen.push_back(ParsePattern(text));
  const std::vector<Selected> selected = Select(file, chosen.empty() ? DefaultPatterns() : chosen, sizes);
  if (selected.empty()) Fail(arguments.model, ": no tensor is named as a Q or K projection; say --pattern");
  WritePermuted(arguments.model, arguments.out, file, selected, SourceRows(sizes, from, to));

  Json names = Json::array();
  for (const Selected& one : selected) names.push_back(one.entry->name);
  if (arguments.json) {
    Print({{"from", arguments.from},
           {"to", arguments.to},
           {"head_dim", sizes.head_dim},
           {"rotary_dim", sizes.rotary_dim},
           {"rotary_offset", sizes.rotary_offset},
           {"permuted", names},
           {"copied", file.entries().size() - selected.size()},
           {"file", arguments.out}});
    return 0;
  }
  for (const Json& name : names) std::printf("permuted %s\n", name.get<std::string>().c_str());
  std::printf("copied %zu other tensors\nwrote %s\n", file.entries().size() - selected.size(), arguments.out.c_str());
  return 0;
}

}  // namespace

void AddPermute(CLI::App& app, int& exit_code) {
  AddCommand<Arguments>(app, exit_code, "permute",
                        "Reorder Q and K projection rows between interleaved and half pairing", Run);
}

}  // namespace simdrope::tool
