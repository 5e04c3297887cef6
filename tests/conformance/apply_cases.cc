// Cases that rotate: by their own tables, and by a Rope where they say which frequencies they have.
#include <cmath>

#include "onnx.h"
#include "reference/formats.h"

namespace conformance {
namespace {

// Of the last axis the expected array may hold the first elements only.
std::vector<double> Leading(const std::vector<double>& values, int64_t width, int64_t kept) {
  std::vector<double> leading;
  for (size_t i = 0; i < values.size(); ++i) {
    if (static_cast<int64_t>(i) % width < kept) leading.push_back(values[i]);
  }
  return leading;
}

std::string CompareWith(const Case& c, const OnnxRotary& node, const std::vector<double>& got) {
  const Array expected = c.array("expected");
  std::vector<double> values;
  // The origins cast what they expect along with the inputs.
  for (const double v : expected.values) values.push_back(simdrope::reference::Rounded(v, node.out));
  const int64_t width = node.input.shape.back(), kept = expected.shape.back();
  return Compare(kept < width ? Leading(got, width, kept) : got, values, ToleranceOf(c, node.out));
}

std::string RunNode(const Case& c, const OnnxRotary& node) {
  const auto got = node.Run();
  return got ? CompareWith(c, node, *got) : got.status().message();
}

// The case's "rope" as a Config.
simdrope::Config ConfigOf(const Json& rope, int64_t head_dim, bool interleaved) {
  simdrope::Config config(static_cast<int>(head_dim), rope.at("theta"));
  config.rotary_dim = rope.at("rotary_dim");
  config.pairing = interleaved ? simdrope::interleaved : simdrope::half;
  if (rope.contains("linear_factor")) {
    config.scaling.type = SIMDROPE_SCALING_LINEAR;
    config.scaling.factor = rope["linear_factor"];
  }
  if (rope.value("rope_type", "") == "proportional") {
    config.scaling.type = SIMDROPE_SCALING_PROPORTIONAL;
    config.scaling.proportion = rope.at("partial_rotary_factor");
  }
  return config;
}

// The same rotation with rows computed by simdrope.
std::string RunRope(const Case& c, const OnnxRotary& node) {
  const Json& resolved = c.json().at("resolved");
  const int64_t batch = resolved.at("batch"), seq = resolved.at("seq"), heads = resolved.at("num_heads"),
                head_dim = resolved.at("head_size");
  const auto rope = simdrope::Rope::create(ConfigOf(c.json().at("rope"), head_dim, node.interleaved));
  if (!rope) return rope.status().message();
  std::vector<float> x(node.input.values.begin(), node.input.values.end());
  const std::vector<int64_t> ids = node.position_ids->integers();
  const simdrope::Tensor q = node.seq_before_heads ? simdrope::bshd(x.data(), batch, seq, heads, head_dim)
                                                   : simdrope::bhsd(x.data(), batch, seq, heads, head_dim);
  const simdrope::Positions positions = simdrope::Positions::per_token(ids.data(), batch, seq);
  std::vector<char> rounded(x.size() * 4);
  simdrope::Tensor out = q;
  if (node.out != simdrope::f32) {
    out.data = rounded.data();
    out.format = node.out;
  }
  const simdrope::Status status = simdrope::apply(rope->stream(positions), q, simdrope::QKV(out));
  if (!status) return status.message();
  std::vector<double> got;
  const size_t size = static_cast<size_t>(simdrope::size_of(node.out));
  for (size_t i = 0; i < x.size(); ++i)
    got.push_back(simdrope::reference::Load(static_cast<char*>(out.data) + i * size, node.out));
  return CompareWith(c, node, got);
}

Format FormatNamed(const std::string& name) {
  return name == "float16" ? simdrope::f16 : name == "bfloat16" ? simdrope::bf16 : simdrope::f32;
}

}  // namespace

Outcome RunApply(const Case& c) {
  OnnxRotary node = OnnxOf(c);
  const Json& resolved = c.json().at("resolved");
  node.seq_before_heads = resolved.at("layout") == "BSNH";
  if (node.rotary_dim == 0 && resolved.at("rotary_dim") != resolved.at("head_size")) {
    node.rotary_dim = resolved.at("rotary_dim");
  }
  if (c.kind() == "oob_passthrough") node.out_of_range = SIMDROPE_IDENTITY;
  node.input = c.array("input");
  node.cos = c.array("cos");
  node.sin = c.array("sin");
  if (c.has("position_ids")) node.position_ids = c.array("position_ids");
  node.in = node.out = FormatNamed(c.json().at("dtype"));
  if (c.json().at("group") == "maxtext_bf16") node.out = simdrope::bf16;  // computed in f32, then cast

  Outcome outcome;
  const auto run = [&](const char* how, const std::string& mismatch) {
    if (!mismatch.empty() && outcome.passed) outcome = Outcome::Fail(std::string(how) + ": " + mismatch);
  };
  run("table", RunNode(c, node));
  std::vector<Format> also;
  for (const Json& name : c.json().value("also_run_as", Json::array())) also.push_back(FormatNamed(name));
  if (c.json().at("tolerance").contains("atol_bf16")) also.push_back(simdrope::bf16);
  for (const Format format : also) {
    OnnxRotary other = node;
    other.in = other.out = format;
    run(simdrope::reference::NameOf(format), RunNode(c, other));
    ++outcome.runs;
  }
  if (c.json().contains("rope") && c.json()["rope"].is_object()) {
    run("rope", RunRope(c, node));
    ++outcome.runs;
  }
  return outcome;
}

Outcome RunPackedQkv(const Case& c) {
  const Json& resolved = c.json().at("resolved");
  const int64_t batch = resolved.at("batch"), seq = resolved.at("seq"), head_dim = resolved.at("head_size"),
                q_heads = resolved.at("num_heads"), k_heads = resolved.at("kv_num_heads");
  const Array input = c.array("input"), cos = c.array("cos"), sin = c.array("sin");
  std::vector<float> x(input.values.begin(), input.values.end()), y(x.size());
  std::vector<float> cos_table(cos.values.begin(), cos.values.end()), sin_table(sin.values.begin(), sin.values.end());
  const simdrope::CosSinView rows(
      simdrope::Table(cos_table.data(), sin_table.data(), cos.shape[0], static_cast<int>(cos.shape[1])));
  const auto packed = [&](std::vector<float>& data) {
    return simdrope::packed_qkv(simdrope::bhsd(data.data(), batch, seq, q_heads + 2 * k_heads, head_dim), q_heads,
                                k_heads);
  };
  const auto compare = [&](const std::vector<float>& got) {
    return Compare(std::vector<double>(got.begin(), got.end()), c.array("expected").values,
                   ToleranceOf(c, simdrope::f32));
  };
  if (const auto status = simdrope::apply(rows, packed(x), packed(y)); !status) return Outcome::Fail(status.message());
  if (const std::string mismatch = compare(y); !mismatch.empty()) return Outcome::Fail("split out: " + mismatch);
  if (const auto status = simdrope::apply(rows, packed(x)); !status) return Outcome::Fail(status.message());
  if (const std::string mismatch = compare(x); !mismatch.empty()) return Outcome::Fail("in place: " + mismatch);
  Outcome outcome;
  outcome.runs = 2;
  return outcome;
}

}  // namespace conformance
