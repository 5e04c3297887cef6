// Runs the built simdrope command, without a shell, on files of a folder of its own.
#ifndef SIMDROPE_TESTS_CLI_TOOL_H_
#define SIMDROPE_TESTS_CLI_TOOL_H_

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <simdrope/io.hpp>
#include <string>
#include <vector>

#include "../io/temporary_folder.h"

namespace simdrope::test {

using Json = nlohmann::ordered_json;
using Arguments = std::vector<std::string>;

struct Outcome {
  int code;  // exit code; -1: ended otherwise
  std::string out, err;

  Json json() const { return Json::parse(out); }
};

using Folder = TemporaryFolder;

// A command under way.
struct Started {
  pid_t process;
  std::unique_ptr<Folder> folder;  // with what it prints
};

// Starts $SIMDROPE_TOOL; `environment` holds further NAME=VALUE. `most_bytes` limits the files it writes (0: no).
Started Start(const Arguments& arguments, const std::vector<std::string>& environment = {}, uint64_t most_bytes = 0);
Outcome Finish(const Started& started);
Outcome Run(const Arguments& arguments, const std::vector<std::string>& environment = {}, uint64_t most_bytes = 0);

std::string ReadText(const std::string& path);
void WriteText(const std::string& path, const std::string& text);
io::Array ReadNpy(const std::string& path);
void WriteFloats(const std::string& path, const std::vector<int64_t>& shape, const std::vector<float>& values);
void WriteIds(const std::string& path, const std::vector<int64_t>& shape, const std::vector<int64_t>& values);
// Numbers in [-1, 1), the same for the same seed.
std::vector<float> Noise(size_t count, uint32_t seed);

// Exit code 2, nothing on stdout, and one line on stderr that holds every one of `words`.
void CheckFails(const Outcome& outcome, const std::vector<std::string>& words);

inline constexpr const char* kLlama31 = R"({
  "model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
  "head_dim": 128, "max_position_embeddings": 131072, "rope_theta": 500000.0,
  "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 8192}
})";

}  // namespace simdrope::test

#endif  // SIMDROPE_TESTS_CLI_TOOL_H_
