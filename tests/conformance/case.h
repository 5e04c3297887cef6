// A published case: case.json and the arrays beside it.
#ifndef SIMDROPE_TESTS_CONFORMANCE_CASE_H_
#define SIMDROPE_TESTS_CONFORMANCE_CASE_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <simdrope/io.hpp>
#include <string>
#include <vector>

namespace conformance {

using Json = nlohmann::json;
using simdrope::Format;

// Values and their shape; what type they are meant to have is for the user to say.
struct Array {
  std::vector<int64_t> shape;
  std::vector<double> values;

  int64_t size() const { return static_cast<int64_t>(values.size()); }
  std::vector<int64_t> integers() const;  // positions beyond 2^53 are kept apart
  std::vector<int64_t> exact;             // of an integer file
};

class Case {
 public:
  explicit Case(std::filesystem::path folder);

  const std::string& id() const { return id_; }
  std::string kind() const { return json_.at("kind"); }
  const Json& json() const { return json_; }
  bool has(const char* array) const { return json_.contains("files") && json_["files"].contains(array); }
  Array array(const char* name) const;

 private:
  std::filesystem::path folder_;
  std::string id_;
  Json json_;
};

// What became of a case.
struct Outcome {
  bool passed = true;
  std::string what;  // why it failed
  std::string note;  // what there is to know about a case that passed
  bool skipped = false;
  int runs = 1;  // ways in which it was run

  static Outcome Fail(std::string what) { return {false, std::move(what), "", false, 0}; }
  static Outcome Skip(std::string why) { return {true, "", std::move(why), true, 0}; }
};

struct Tolerance {
  double atol;
  double rtol;
};

// The case's own for a result of this type.
Tolerance ToleranceOf(const Case& c, Format format);

// "" where all of `got` is within tolerance of `expected`.
std::string Compare(const std::vector<double>& got, const std::vector<double>& expected, Tolerance tolerance);

Outcome RunApply(const Case& c);            // apply, mrope_apply, oob_passthrough
Outcome RunPackedQkv(const Case& c);        // gqa_packed_qkv
Outcome RunError(const Case& c);            // error
Outcome RunTable(const Case& c);            // cos_sin_table
Outcome RunInvFreq(const Case& c);          // inv_freq
Outcome RunAttentionFactor(const Case& c);  // attention_factor
Outcome RunBehaviour(const Case& c);        // behaviour
Outcome RunPrompt(const Case& c);           // mrope_positions
Outcome RunAggregate(const Case& c);        // aggregate

}  // namespace conformance

#endif  // SIMDROPE_TESTS_CONFORMANCE_CASE_H_
