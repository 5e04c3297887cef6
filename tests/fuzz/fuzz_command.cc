// The command line's own parsers: options of a RoPE, positions, names of tensors, and the plan of permute for a file
// whose header is the input. The first byte chooses which.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <simdrope/io.hpp>
#include <string>

#include "failure.h"
#include "permute_plan.h"
#include "printable.h"
#include "projection_names.h"
#include "rope_arguments.h"
#include "token_positions.h"

using namespace simdrope;
using namespace simdrope::tool;

namespace {

// No file of the machine is read: what names one is not given.
bool NamesFile(const std::string& text) {
  return text.find('/') != std::string::npos || text.find("config") != std::string::npos;
}

void RopeOptions(const std::string& text) {
  if (NamesFile(text)) return;
  CLI::App app;
  RopeArguments arguments;
  arguments.AddTo(app);
  try {
    app.parse(text);
  } catch (const CLI::Error&) {
    return;
  }
  const RopeChoice choice = arguments.Resolve();
  const Rope rope = Compile(choice.config, "");
  if (rope.info().pairs < 1) __builtin_trap();
}

void TryPositions(const std::string& text) {
  if (NamesFile(text) || text.find('.') != std::string::npos) return;
  const TokenPositions positions = TokenPositions::Parse(text);
  if (positions.length().value_or(0) < 0) __builtin_trap();
}

void Names(const std::string& text) {
  const NameMeaning meaning = MeaningOf(text);
  if (meaning.kind == NameMeaning::Kind::kRows && text.rfind(meaning.block, 0) != 0) __builtin_trap();
  for (const char c : Printable(text)) {
    if (static_cast<unsigned char>(c) < 0x20) __builtin_trap();
  }
}

void TryPlan(const std::string& text, uint8_t choice) {
  // The header as it is, and as much data as it may want.
  const std::string path = (std::filesystem::temp_directory_path() / "simdrope-fuzz-").string() +
                           std::to_string(::getpid()) + ".safetensors";
  const uint64_t size = text.size();
  {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&size), sizeof size);
    file << text << std::string(256, 'x');
  }
  const auto file = io::Safetensors::open(path);
  if (!file.ok()) return;
  PlanRequest request;
  request.from = (choice & 1) != 0 ? half : interleaved;
  request.to = (choice & 1) != 0 ? interleaved : half;
  request.sizes = {{{}, {2, 1, 8, (choice & 2) != 0 ? 4 : 8, 0}}};
  request.allow_unpaired = (choice & 4) != 0;
  if ((choice & 8) != 0) request.patterns = {{'q', "*q*"}, {'k', "k"}, {'-', "*z"}};
  const PermutePlan plan = MakePlan(*file, request);
  for (const Move& move : plan.moves) {
    if (move.row_bytes * move.source_rows.size() != move.entry->bytes) __builtin_trap();
    std::vector<bool> seen(move.source_rows.size());
    for (const int64_t row : move.source_rows) {
      if (row < 0 || static_cast<size_t>(row) >= seen.size() || seen[static_cast<size_t>(row)]) __builtin_trap();
      seen[static_cast<size_t>(row)] = true;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 4) {
      case 0: RopeOptions(text); break;
      case 1: TryPositions(text); break;
      case 2: Names(text); break;
      default: TryPlan(text, data[0] / 4); break;
    }
  } catch (const Failure&) {
  }
  return 0;
}
