// The options that say which RoPE is meant: a model's file, values of one's own, or the one with some
// values replaced.
#ifndef SIMDROPE_TOOLS_ROPE_ARGUMENTS_H_
#define SIMDROPE_TOOLS_ROPE_ARGUMENTS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <simdrope/io.hpp>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

namespace simdrope::tool {

struct RopeChoice {
  std::string model_type;  // "" without a file
  std::string layer_type;
  std::vector<std::string> layer_types;  // all that the file tells of
  Config config;
  int64_t max_position = 0;  // 0: not known
  int q_heads = 0;           // 0: not known
  int k_heads = 0;
  std::vector<std::string> warnings;
};

class RopeArguments {
 public:
  std::string config, layer_type;
  bool allow_unknown = false;

  // The options; this must not move afterwards.
  void AddTo(CLI::App& app);
  // `head_dim_of_array`: used where nothing else says it; 0: none.
  RopeChoice Resolve(int64_t head_dim_of_array = 0) const;
  // As this, from another file and without values of one's own.
  RopeChoice ResolveFile(const std::string& path) const;

 private:
  bool IsGiven(const char* field) const;

  Config given_;                                        // values of the options
  std::map<std::string, const CLI::Option*> of_field_;  // by the field's name in simdrope_config
};

// `about` (a file, or "") is named in a failure.
Rope Compile(const Config& config, const std::string& about);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_ROPE_ARGUMENTS_H_
