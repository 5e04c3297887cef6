// Calls that ONNX Runtime refuses. The only one that simdrope may take is one whose sizes merely exceed
// 32 bits.
#include <algorithm>

#include "onnx.h"

namespace conformance {
namespace {

Array ArrayOf(const Json& input) {
  Array array;
  array.shape = input.at("shape").get<std::vector<int64_t>>();
  int64_t size = 1;
  for (const int64_t n : array.shape) size *= n;
  array.values.assign(static_cast<size_t>(size), input.value("fill", 0.0));
  if (input.contains("data")) array.values = input["data"].get<std::vector<double>>();
  for (const double v : array.values) array.exact.push_back(static_cast<int64_t>(v));
  return array;
}

}  // namespace

Outcome RunError(const Case& c) {
  const Json& inputs = c.json().at("inputs");
  OnnxRotary node = OnnxOf(c);
  node.input = ArrayOf(inputs.at("input"));
  node.cos = ArrayOf(inputs.at("cos"));
  node.sin = ArrayOf(inputs.at("sin"));
  if (inputs.contains("position_ids")) node.position_ids = ArrayOf(inputs["position_ids"]);
  const auto got = node.Run();
  const std::string origin = c.json().at("expect").at("origin_message_contains");
  if (got) {
    Outcome outcome;
    outcome.note = "accepted instead of rejected (" + origin + ")";
    outcome.passed = origin.find("int32") != std::string::npos;
    if (!outcome.passed) outcome.what = outcome.note;
    return outcome;
  }
  if (got.status().message().empty()) return Outcome::Fail("refused without a message");
  Outcome outcome;
  outcome.note = "rejected: " + got.status().message();
  return outcome;
}

}  // namespace conformance
