// The readers and writers of files where memory runs out and where the system refuses.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <simdrope/io.hpp>
#include <simdrope/prompts.hpp>
#include <string>
#include <vector>

#include "../io/catalogue.h"
#include "../io/gguf_writer.h"
#include "../io/temporary_folder.h"
#include "every_allocation.h"
#include "failing.h"
#include "io/gguf.h"

namespace simdrope::test {
namespace {

namespace fs = std::filesystem;

using Folder = TemporaryFolder;

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("memory: arrays") {
  const Folder folder;
  const std::string tensors = folder / "a.safetensors";  // made while nothing fails
  const std::string npy = folder / "a.npy";              // made while nothing fails
  io::Array array = io::Array::zeros(io::ElementType::f32, {2, 3, 4});
  EveryAllocationFails("write_npy", [&] { return io::write_npy(npy, array).code(); });
  EveryAllocationFails("read_npy", [&] { return io::read_npy(npy).status().code(); });
  const std::vector<io::NamedArray> arrays = {
      {"first tensor of some length", array.type, array.shape, array.bytes.data(), array.bytes.size()},
      {"b", array.type, array.shape, array.bytes.data(), array.bytes.size()}};
  const std::vector<std::pair<std::string, std::string>> metadata = {{"format", "pt"}, {"a long key of metadata", "x"}};
  EveryAllocationFails("write_safetensors", [&] { return io::write_safetensors(tensors, arrays, metadata).code(); });
  EveryAllocationFails("Safetensors::open", [&] { return io::Safetensors::open(tensors).status().code(); });
  const auto file = io::Safetensors::open(tensors);
  REQUIRE(file.ok());
  EveryAllocationFails("Safetensors::read", [&] { return file->read("b").status().code(); });
  CHECK(folder.files() == 2);
}

TEST_CASE("memory: a hostile header") {
  const Folder folder;
  const std::string tensors = folder / "a.safetensors";  // made while nothing fails
  std::string header(8, '\0');
  header[0] = 60;
  std::ofstream(tensors, std::ios::binary) << header << std::string(60, '[');
  for (int64_t n = 1; n < 40; ++n) {
    WithFailingAllocation(n, Memory::kAllFailFrom, [&] { (void)io::Safetensors::open(tensors); });
  }
}

TEST_CASE("memory: config.json, read and written") {
  int files = 0;
  const Folder folder;
  const std::string config = folder / "config.json";  // made while nothing fails
  for (const CatalogueEntry& entry : kCatalogue) {
    std::ofstream(config, std::ios::binary) << entry.config;
    const auto model = io::read_hf_config(config);
    if (!model.ok()) continue;
    // Every allocation of every entry takes a minute; of the first few all, of the others some.
    if (files++ % 8 != 0) continue;
    EveryAllocationFails(entry.model, [&] { return io::read_model(config).status().code(); });
    if (model->ropes.empty() || !model->ropes[0].rotary) continue;
    EveryAllocationFails("to_hf_config", [&] {
      return io::to_hf_config(model->ropes[0].config).empty() ? SIMDROPE_OUT_OF_MEMORY : SIMDROPE_OK;
    });
  }
  CHECK(files > 20);
  // Refused for what it holds, and then for memory while saying so.
  const std::string refused = R"({"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4,
      "rope_scaling": {"rope_type": "a type of scaling that nobody has heard of", "nested": [[{"a": [1, 2]}]]}})";
  for (const Memory memory : {Memory::kOneFails, Memory::kAllFailFrom}) {
    for (int64_t n = 1; n < 400; ++n) {
      simdrope_status code = SIMDROPE_OK;
      const AllocationResult result =
          WithFailingAllocation(n, memory, [&] { code = io::parse_hf_config(refused).status().code(); });
      CHECK(result.kept == 0);
      CHECK(code == (result.allocations < n ? SIMDROPE_BAD_FILE : SIMDROPE_OUT_OF_MEMORY));
    }
  }
}

TEST_CASE("memory: GGUF") {
  int files = 0;
  const Folder folder;
  const std::string gguf = folder / "a.gguf";  // made while nothing fails
  for (const std::string& example : gguf_examples()) {
    std::ofstream(gguf, std::ios::binary) << example;
    if (!io::read_gguf(gguf).ok()) continue;
    EveryAllocationFails("read_gguf", [&] { return io::read_gguf(gguf).status().code(); });
    ++files;
  }
  CHECK(files > 0);
}

// All ways that one write can go wrong, and the file before.
TEST_CASE("system: short and interrupted calls change nothing") {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7);
  for (const int64_t most : {1, 3, 999}) {
    for (const int every : {0, 2, 3}) {
      SetSystemFaults({.most_bytes = most, .interrupt_every = every});
      io::FileWriter file(folder / "a");
      file.write(text);
      CHECK(file.sync().ok());
      std::string back(text.size(), '\0');
      CHECK(file.read_back(0, back.data(), back.size()).ok());
      const Status status = file.commit();
      const int64_t interruptions = InterruptionsGiven();
      SetSystemFaults({});
      CHECK(status.ok());
      CHECK(back == text);
      CHECK(Contents(folder / "a") == text);
      CHECK((interruptions > 0) == (every != 0));
    }
  }
  CHECK(folder.files() == 1);
}

TEST_CASE("system: reading in small and interrupted pieces") {
  const Folder folder;
  io::Array array = io::Array::zeros(io::ElementType::u8, {1000});
  for (size_t i = 0; i < 1000; ++i) array.bytes[i] = static_cast<std::byte>(i * 7);
  REQUIRE(io::write_npy(folder / "a.npy", array).ok());
  SetSystemFaults({.most_bytes = 5, .interrupt_every = 3});
  const auto read = io::read_npy(folder / "a.npy");
  SetSystemFaults({});
  REQUIRE(read.ok());
  CHECK(read->bytes == array.bytes);
}

TEST_CASE("system: a refused call leaves the old file and says why") {
  const Folder folder;
  const std::string text(1000, 'x');
  struct Refusal {
    SystemFaults faults;
    const char* reason;
  };
  std::vector<Refusal> refusals = {
      {{.rename_fails = true, .error = EXDEV}, "cross-device"},
      {{.rename_fails = true, .error = EACCES}, "Permission denied"},
      {{.fsync_fails_at = 1, .error = EIO}, "Input/output error"},
      {{.fsync_fails_at = 1, .error = EDQUOT}, "quota exceeded"},
  };
  for (const int64_t at : {0, 1, 500, 999}) {
    refusals.push_back({{.write_fails_at = at, .error = ENOSPC}, "No space left on device"});
    refusals.push_back({{.most_bytes = 7, .interrupt_every = 2, .write_fails_at = at, .error = EIO}, "Input/output"});
  }
  for (const Refusal& refusal : refusals) {
    std::ofstream(folder / "a", std::ios::binary) << "old";
    SetSystemFaults(refusal.faults);
    Status status;
    {
      io::FileWriter file(folder / "a");
      file.write(text);
      status = file.commit();
    }
    SetSystemFaults({});
    CHECK(status.code() == SIMDROPE_BAD_FILE);
    CAPTURE(status.message());
    CHECK(status.message().find(folder / "a") == 0);
    CHECK(status.message().find(refusal.reason) != std::string::npos);
    CHECK(Contents(folder / "a") == "old");
    CHECK(folder.files() == 1);
  }
  CHECK(refusals.size() == 12);
}

TEST_CASE("system: the new file is there whole, though its folder could not be synced, and that is said") {
  const Folder folder;
  SetSystemFaults({.fsync_fails_at = 2, .error = EIO});
  io::FileWriter file(folder / "a");
  file.write("new");
  const Status status = file.commit();
  SetSystemFaults({});
  CHECK(status.code() == SIMDROPE_BAD_FILE);
  CHECK(status.message().find("written, but") != std::string::npos);
  CHECK(Contents(folder / "a") == "new");
  CHECK(folder.files() == 1);
}

}  // namespace
}  // namespace simdrope::test
