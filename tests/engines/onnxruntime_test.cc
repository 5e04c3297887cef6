// The custom ops in real sessions of ONNX Runtime, beside its own RotaryEmbedding, on models written here.
#include <doctest/doctest.h>
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int64_t kBatch = 2, kSeq = 7, kHeads = 3, kDim = 64, kRows = 40;

struct Input {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> floats;  // or
  std::vector<int64_t> ids;
  std::vector<Ort::Float16_t> halves = {};  // in place of floats where not empty
};

struct Node {
  std::string domain, op;
  std::vector<std::string> inputs;
  std::vector<std::pair<std::string, int64_t>> attributes;
  std::vector<int64_t> output_shape;
  bool half = false;  // the output, and all inputs but ids
};

std::vector<float> Random(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = normal(random);
  return values;
}

Ort::Value Tensor(Input& input) {
  static const auto memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
  if (!input.ids.empty()) {
    return Ort::Value::CreateTensor<int64_t>(memory, input.ids.data(), input.ids.size(), input.shape.data(),
                                             input.shape.size());
  }
  if (!input.halves.empty()) {
    return Ort::Value::CreateTensor<Ort::Float16_t>(memory, input.halves.data(), input.halves.size(),
                                                    input.shape.data(), input.shape.size());
  }
  return Ort::Value::CreateTensor<float>(memory, input.floats.data(), input.floats.size(), input.shape.data(),
                                         input.shape.size());
}

// Rounds floats to float16, and keeps what was rounded.
void ToHalf(std::vector<Input>* inputs) {
  for (Input& input : *inputs) {
    for (float& x : input.floats) {
      input.halves.emplace_back(x);
      x = input.halves.back().ToFloat();
    }
  }
}

// ---- a model of one node, as protocol buffers (onnx.proto): the fields that one needs

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string Number(int field, int64_t value) {
  return Varint(static_cast<uint64_t>(field) << 3) + Varint(static_cast<uint64_t>(value));
}
std::string Part(int field, const std::string& bytes) {
  return Varint(static_cast<uint64_t>(field) << 3 | 2) + Varint(bytes.size()) + bytes;
}

// `type`: of TensorProto.DataType
constexpr int kFloat = 1, kInt64 = 7, kFloat16 = 10;

std::string ValueInfo(const std::string& name, const std::vector<int64_t>& shape, int type) {
  std::string dims;
  for (const int64_t size : shape) dims += Part(1, Number(1, size));
  return Part(1, name) + Part(2, Part(1, Number(1, type) + Part(2, dims)));
}

// ONNX's own RotaryEmbedding came with opset 23, which ONNX Runtime takes from 1.23 on; com.microsoft's is older.
bool HasOpset23() {
  int major = 0, minor = 0;
  std::istringstream version(OrtGetApiBase()->GetVersionString());
  char dot = 0;
  version >> major >> dot >> minor;
  return major > 1 || minor >= 23;
}

std::string ModelOf(const std::vector<Input>& inputs, const Node& node) {
  std::string body, graph, model = Number(1, 10);
  for (const std::string& name : node.inputs) body += Part(1, name);
  body += Part(2, "y") + Part(3, "node") + Part(4, node.op);
  for (const auto& [name, value] : node.attributes) body += Part(5, Part(1, name) + Number(3, value) + Number(20, 2));
  graph = Part(1, body + Part(7, node.domain)) + Part(2, "graph");
  for (const Input& input : inputs) {
    const int type = !input.ids.empty() ? kInt64 : !input.halves.empty() ? kFloat16 : kFloat;
    graph += Part(11, ValueInfo(input.name, input.shape, type));
  }
  model += Part(7, graph + Part(12, ValueInfo("y", node.output_shape, node.half ? kFloat16 : kFloat)));
  for (const auto& [domain, version] :
       {std::pair{"", HasOpset23() ? 23 : 22}, std::pair{"com.microsoft", 1}, std::pair{"simdrope", 1}}) {
    model += Part(8, Part(1, domain) + Number(2, version));
  }
  return model;
}

Ort::Session Session(const std::vector<Input>& inputs, const Node& node, int threads = 1) {
  static Ort::Env environment(ORT_LOGGING_LEVEL_FATAL, "simdrope");
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(threads);
  options.RegisterCustomOpsLibrary(SIMDROPE_ONNXRUNTIME);
  const std::string model = ModelOf(inputs, node);
  return Ort::Session(environment, model.data(), model.size(), options);
}

std::vector<float> Run(Ort::Session& session, std::vector<Input>& inputs) {
  std::vector<const char*> names;
  std::vector<Ort::Value> values;
  for (Input& input : inputs) {
    names.push_back(input.name.c_str());
    values.push_back(Tensor(input));
  }
  const char* const output = "y";
  auto results = session.Run(Ort::RunOptions(), names.data(), values.data(), values.size(), &output, 1);
  const auto info = results[0].GetTensorTypeAndShapeInfo();
  if (info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16) {
    const Ort::Float16_t* halves = results[0].GetTensorData<Ort::Float16_t>();
    std::vector<float> floats;
    for (size_t i = 0; i < info.GetElementCount(); ++i) floats.push_back(halves[i].ToFloat());
    return floats;
  }
  const float* data = results[0].GetTensorData<float>();
  return {data, data + info.GetElementCount()};
}

std::vector<float> Run(std::vector<Input> inputs, const Node& node, int threads = 1) {
  Ort::Session session = Session(inputs, node, threads);
  return Run(session, inputs);
}

std::vector<Input> Inputs(bool four, int64_t rotary, bool ids, bool one_id) {
  const int64_t columns = (rotary == 0 ? kDim : rotary) / 2;
  std::vector<Input> inputs;
  inputs.push_back({"x", {kBatch, kSeq, kHeads * kDim}, Random(kBatch * kSeq * kHeads * kDim, 1), {}});
  if (four) inputs[0].shape = {kBatch, kHeads, kSeq, kDim};
  const std::vector<int64_t> table =
      ids ? std::vector<int64_t>{kRows, columns} : std::vector<int64_t>{kBatch, kSeq, columns};
  std::vector<float> cos, sin;
  for (int64_t r = 0; r < (ids ? kRows : kBatch * kSeq); ++r) {
    for (int64_t i = 0; i < columns; ++i) {
      const double angle =
          static_cast<double>(r) * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(columns));
      cos.push_back(static_cast<float>(std::cos(angle)));
      sin.push_back(static_cast<float>(std::sin(angle)));
    }
  }
  inputs.push_back({"cos", table, cos, {}});
  inputs.push_back({"sin", table, sin, {}});
  if (ids) {
    inputs.push_back({"ids", {kBatch, kSeq}, {}, {}});
    for (int64_t t = 0; t < kBatch * kSeq; ++t) inputs[3].ids.push_back((t * 11 + 2) % kRows);
    if (one_id) {
      inputs[3].shape = {1};
      inputs[3].ids = {5};
    }
  }
  return inputs;
}

// What the inputs rotate to: `four`, `rotary` and ids as Inputs made them.
std::vector<double> Exact(const std::vector<Input>& inputs, bool four, bool interleaved, int64_t rotary) {
  const std::vector<float>& x = inputs[0].floats;
  const int64_t pairs = (rotary == 0 ? kDim : rotary) / 2;
  std::vector<double> exact(x.begin(), x.end());
  for (int64_t at = 0; at < kBatch * kSeq * kHeads; ++at) {
    int64_t row = four ? at / (kHeads * kSeq) * kSeq + at % kSeq : at / kHeads;  // the token
    if (inputs.size() > 3 && inputs[3].ids.size() == 1) row = inputs[3].ids[0] + row % kSeq;
    if (inputs.size() > 3 && inputs[3].ids.size() > 1) row = inputs[3].ids[static_cast<size_t>(row)];
    for (int64_t i = 0; i < pairs; ++i) {
      const auto first = static_cast<size_t>(at * kDim + (interleaved ? 2 * i : i));
      const size_t second = first + static_cast<size_t>(interleaved ? 1 : pairs);
      const double cos = inputs[1].floats[static_cast<size_t>(row * pairs + i)];
      const double sin = inputs[2].floats[static_cast<size_t>(row * pairs + i)];
      exact[first] = x[first] * cos - x[second] * sin;
      exact[second] = x[second] * cos + x[first] * sin;
    }
  }
  return exact;
}

// By how much `got` is off at most, in units of what is allowed at each element: one rounding to the format, and
// float's two on the way of numbers up to 8.
double Worst(const std::vector<float>& got, const std::vector<double>& exact, bool half) {
  REQUIRE(got.size() == exact.size());
  REQUIRE(!got.empty());
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double allowed = (half ? 0x1p-11 * std::fabs(exact[i]) + 0x1p-25 : 0) + 8 * 0x1p-23;
    worst = std::max(worst, std::fabs(double{got[i]} - exact[i]) / allowed);
  }
  return worst;
}

}  // namespace

TEST_CASE("RotaryEmbedding as ONNX Runtime's own: opset 23 and com.microsoft") {
  int compared = 0;
  for (const bool contrib : {false, true}) {
    if (!contrib && !HasOpset23()) continue;
    for (const auto& [half, four] : {std::pair{false, false}, {false, true}, {true, false}, {true, true}}) {
      for (const int64_t interleaved : {0, 1}) {
        for (const int64_t rotary : {0, 32}) {
          for (const int form : {0, 1, 2}) {  // no ids; an id for each token; the first position
            if ((contrib && form == 0) || (!contrib && form == 2)) continue;
            CAPTURE(contrib);
            CAPTURE(half);
            CAPTURE(four);
            CAPTURE(interleaved);
            CAPTURE(rotary);
            CAPTURE(form);
            std::vector<Input> inputs = Inputs(four, rotary, form != 0, form == 2);
            if (half) ToHalf(&inputs);
            const std::vector<double> exact = Exact(inputs, four, interleaved != 0, rotary);
            Node node;
            node.half = half;
            node.inputs = contrib ? std::vector<std::string>{"x", "ids", "cos", "sin"}
                                  : std::vector<std::string>{"x", "cos", "sin"};
            if (!contrib && form != 0) node.inputs.push_back("ids");
            node.attributes = {{"interleaved", interleaved}, {"rotary_embedding_dim", rotary}};
            node.attributes.push_back({"num_heads", kHeads});  // ONNX Runtime wants it in 4-D too
            node.output_shape = inputs[0].shape;
            node.op = "RotaryEmbedding";
            node.domain = contrib ? "com.microsoft" : "";
            const double theirs = Worst(Run(inputs, node), exact, half);
            CHECK(theirs < 4);  // of half, three roundings and more
            node.op = contrib ? "ContribRotaryEmbedding" : "RotaryEmbedding";
            node.domain = "simdrope";
            const std::vector<float> got = Run(inputs, node);
            CHECK(Worst(got, exact, half) <= 1);
            CHECK(Run(inputs, node, 2) == got);
            ++compared;
          }
        }
      }
    }
  }
  CHECK(compared == (HasOpset23() ? 64 : 32));
}

TEST_CASE("RotaryCache: norm, rotation and write") {
  std::vector<Input> inputs = Inputs(false, 0, true, false);
  inputs.push_back({"cache", {kBatch, kHeads, kRows, kDim}, Random(kBatch * kHeads * kRows * kDim, 2), {}});
  inputs.push_back({"weight", {kDim}, Random(kDim, 3), {}});
  Node node{"simdrope", "RotaryCache", {"x", "ids", "cos", "sin", "cache", "weight"}, {{"num_heads", kHeads}}, {}};
  node.output_shape = inputs[4].shape;
  const std::vector<float> got = Run(inputs, node);
  std::vector<float> want = inputs[4].floats;
  for (int64_t b = 0; b < kBatch; ++b) {
    for (int64_t s = 0; s < kSeq; ++s) {
      const int64_t row = inputs[3].ids[static_cast<size_t>(b * kSeq + s)];
      for (int64_t h = 0; h < kHeads; ++h) {
        const float* x = &inputs[0].floats[static_cast<size_t>(((b * kSeq + s) * kHeads + h) * kDim)];
        double sum = 0;
        for (int64_t i = 0; i < kDim; ++i) sum += double{x[i]} * x[i];
        const double factor = 1 / std::sqrt(sum / kDim + 1e-6);
        for (int64_t i = 0; i < kDim / 2; ++i) {
          const double c = inputs[1].floats[static_cast<size_t>(row * kDim / 2 + i)];
          const double s1 = inputs[2].floats[static_cast<size_t>(row * kDim / 2 + i)];
          const double u = x[i] * factor * inputs[5].floats[static_cast<size_t>(i)];
          const double v = x[i + kDim / 2] * factor * inputs[5].floats[static_cast<size_t>(i + kDim / 2)];
          float* to = &want[static_cast<size_t>(((b * kHeads + h) * kRows + row) * kDim)];
          to[i] = static_cast<float>(u * c - v * s1);
          to[i + kDim / 2] = static_cast<float>(v * c + u * s1);
        }
      }
    }
  }
  REQUIRE(got.size() == want.size());
  float worst = 0;
  for (size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::fabs(got[i] - want[i]));
  CHECK(worst < 4e-6f);

  // One buffer as input and output is written in place.
  Ort::Session session = Session(inputs, node);
  Ort::IoBinding binding(session);
  for (Input& input : inputs) {
    const Ort::Value value = Tensor(input);
    binding.BindInput(input.name.c_str(), value);
    if (input.name == "cache") binding.BindOutput("y", value);
  }
  session.Run(Ort::RunOptions(), binding);
  CHECK(inputs[4].floats == got);
}

TEST_CASE("what does not fit is an error that says so") {
  const auto message = [](std::vector<Input> inputs, Node node) {
    try {
      Run(std::move(inputs), node);
      return std::string("none");
    } catch (const Ort::Exception& failure) {
      return std::string(failure.what());
    }
  };
  std::vector<Input> inputs = Inputs(false, 0, true, false);
  Node node{"simdrope", "RotaryEmbedding", {"x", "cos", "sin", "ids"}, {{"num_heads", 5}}, inputs[0].shape};
  CHECK(message(inputs, node).find("192 elements for 5 heads") != std::string::npos);
  node.attributes = {{"num_heads", kHeads}};
  inputs[3].ids[4] = kRows;
  CHECK(message(inputs, node).find("40") != std::string::npos);
  node.attributes = {{"num_heads", kHeads}, {"interleaved", 2}};
  CHECK(message(inputs, node).find("interleaved is 2") != std::string::npos);
}

// Not a test of speed: what a reader may want to see. Rounds of both take turns.
TEST_CASE("times of both") {
  std::printf(
      "microseconds, medians of 31 rounds, 32 heads of 128, one thread\n"
      "type     pairing      tokens  ONNX Runtime  simdrope\n");
  for (const bool half : {false, true}) {
    for (const int64_t interleaved : {0, 1}) {
      for (const int64_t seq : {1, 16, 512}) {
        constexpr int64_t heads = 32, dim = 128;
        std::vector<Input> inputs;
        inputs.push_back({"x", {1, seq, heads * dim}, Random(seq * heads * dim, 1), {}});
        inputs.push_back({"cos", {seq, dim / 2}, Random(seq * dim / 2, 2), {}});
        inputs.push_back({"sin", {seq, dim / 2}, Random(seq * dim / 2, 3), {}});
        inputs.push_back({"ids", {1, seq}, {}, {}});
        for (int64_t i = 0; i < seq; ++i) inputs[3].ids.push_back(i);
        if (half) ToHalf(&inputs);
        std::vector<Ort::Session> sessions;
        std::vector<Ort::IoBinding> bindings;
        Input output{"y", inputs[0].shape, std::vector<float>(inputs[0].floats.size()), {}};
        if (half) output.halves.resize(output.floats.size());
        for (const auto& [domain, op] :
             {std::pair{"com.microsoft", "RotaryEmbedding"}, {"simdrope", "ContribRotaryEmbedding"}}) {
          const Node node{
              domain,          op,  {"x", "ids", "cos", "sin"}, {{"num_heads", heads}, {"interleaved", interleaved}},
              inputs[0].shape, half};
          sessions.push_back(Session(inputs, node));
          bindings.emplace_back(sessions.back());
          for (Input& input : inputs) bindings.back().BindInput(input.name.c_str(), Tensor(input));
          bindings.back().BindOutput("y", Tensor(output));
        }
        std::vector<double> times[2];
        for (int round = 0; round < 31; ++round) {
          for (size_t which : {0, 1}) {
            constexpr int kCalls = 5;
            const auto start = std::chrono::steady_clock::now();
            for (int call = 0; call < kCalls; ++call) sessions[which].Run(Ort::RunOptions(), bindings[which]);
            const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
            times[which].push_back(taken.count() / kCalls);
          }
        }
        for (std::vector<double>& all : times) std::sort(all.begin(), all.end());
        std::printf("%-8s %-12s %6d  %12.1f  %8.1f\n", half ? "float16" : "float",
                    interleaved != 0 ? "interleaved" : "half", static_cast<int>(seq), times[0][15], times[1][15]);
      }
    }
  }
}
