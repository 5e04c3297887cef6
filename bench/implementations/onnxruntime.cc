// ONNX Runtime on its CPU provider: com.microsoft.RotaryEmbedding and the RotaryEmbedding of opset 23, Q and
// K as two nodes of one graph, inputs and outputs bound to the shared buffers.
#include <stdexcept>

#include "implementation.h"
#include "onnxruntime_session.h"

namespace simdrope::bench {
namespace {

enum class Operator { kContrib, kOpset23 };

class OnnxRuntime : public Implementation {
 public:
  explicit OnnxRuntime(Operator op) : op_(op) {}

  std::string name() const override { return op_ == Operator::kContrib ? "ort-contrib" : "ort-opset23"; }
  std::string version() const override { return "ONNX Runtime " + Ort::GetVersionString(); }

  std::string Refuses(const Case& c) const override {
    if (c.in_place()) return "writes another tensor";
    if (c.format == bf16) return "the CPU provider has no bf16 kernel";
    if (c.workload.rotary_offset != 0) return "rotates the first elements of a head only";
    return "";
  }
  // cos and sin are rounded to the format, too.
  Accuracy accuracy(const Case&) const override { return {4, 0}; }

  void Prepare(const Job& job) override {
    const Workload& w = job.workload();
    format_ = job.c.format;
    values_.clear();
    memory_ = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);

    const int64_t tokens = w.tokens(), pairs = w.pairs();
    const size_t table_bytes = static_cast<size_t>(tokens * pairs) * size_of(format_);
    cos_.resize(table_bytes);
    sin_.resize(table_bytes);
    StoreAll(cos_.data(), format_, tokens * pairs, [&](int64_t i) { return job.cos[i]; });
    StoreAll(sin_.data(), format_, tokens * pairs, [&](int64_t i) { return job.sin[i]; });
    // The tables hold a row for each token of the step, in order.
    ids_.resize(tokens);
    for (int64_t t = 0; t < tokens; ++t) ids_[t] = t;

    session_ = MakeSession(job);
    binding_ = Ort::IoBinding(session_);
    Bind(job, "q", job.q);
    if (job.k.heads != 0) Bind(job, "k", job.k);
    BindInput("cos", cos_.data(), table_bytes, {tokens, pairs}, OrtTypeOf(format_));
    BindInput("sin", sin_.data(), table_bytes, {tokens, pairs}, OrtTypeOf(format_));
    BindInput("ids", ids_.data(), ids_.size() * sizeof(int64_t), {w.batch, w.seq}, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
  }

  void Run() override { session_.Run(run_options_, binding_); }

 private:
  static std::vector<int64_t> ShapeOf(const Job& job, const TokenView& view) {
    const Workload& w = job.workload();
    if (w.layout == Layout::kBHSD) return {w.batch, view.heads, w.seq, w.head_dim};
    return {w.batch, w.seq, view.heads * w.head_dim};
  }

  Ort::Session MakeSession(const Job& job) const {
    const QuietStderr quiet;
    const Workload& w = job.workload();
    const auto type = OrtTypeOf(format_);
    Ort::Graph graph;
    std::vector<Ort::ValueInfo> inputs, outputs;
    for (const auto& [name, view] : {std::pair{"q", &job.q}, std::pair{"k", &job.k}}) {
      if (view->heads == 0) continue;
      inputs.push_back(OrtDeclare(name, ShapeOf(job, *view), type));
      outputs.push_back(OrtDeclare(std::string(name) + "_out", ShapeOf(job, *view), type));
    }
    inputs.push_back(OrtDeclare("cos", {w.tokens(), w.pairs()}, type));
    inputs.push_back(OrtDeclare("sin", {w.tokens(), w.pairs()}, type));
    inputs.push_back(OrtDeclare("ids", {w.batch, w.seq}, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64));
    graph.SetInputs(inputs);
    graph.SetOutputs(outputs);

    for (const auto& [name, view] : {std::pair{"q", &job.q}, std::pair{"k", &job.k}}) {
      if (view->heads == 0) continue;
      const std::string in = name;
      std::vector<Ort::OpAttr> attributes;
      const auto add = [&](const char* key, int64_t value) {
        attributes.emplace_back(key, &value, 1, ORT_OP_ATTR_INT);
      };
      add("interleaved", job.c.pairing == interleaved);
      add("num_heads", view->heads);
      add("rotary_embedding_dim", w.whole_heads() ? 0 : w.rotary_dim);
      const bool contrib = op_ == Operator::kContrib;
      const std::vector<std::string> operands = contrib ? std::vector<std::string>{in, "ids", "cos", "sin"}
                                                        : std::vector<std::string>{in, "cos", "sin", "ids"};
      Ort::Node node("RotaryEmbedding", contrib ? "com.microsoft" : "", in, operands, {in + "_out"}, attributes);
      graph.AddNode(node);
    }
    Ort::Model model({{"", 23}, {"com.microsoft", 1}});
    model.AddGraph(graph);
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(job.c.threads);
    options.SetExecutionMode(ORT_SEQUENTIAL);
    return Ort::Session(OrtEnvironment(), model, options);
  }

  void BindInput(const char* name, void* data, size_t bytes, const std::vector<int64_t>& shape,
                 ONNXTensorElementDataType type) {
    values_.push_back(Ort::Value::CreateTensor(memory_, data, bytes, shape.data(), shape.size(), type));
    binding_.BindInput(name, values_.back());
  }
  void Bind(const Job& job, const std::string& name, const TokenView& view) {
    const std::vector<int64_t> shape = ShapeOf(job, view);
    const size_t bytes = static_cast<size_t>(job.workload().tokens() * view.heads * job.workload().head_dim) *
                         static_cast<size_t>(job.c.element_size());
    BindInput(name.c_str(), view.in, bytes, shape, OrtTypeOf(format_));
    values_.push_back(
        Ort::Value::CreateTensor(memory_, view.out, bytes, shape.data(), shape.size(), OrtTypeOf(format_)));
    binding_.BindOutput((name + "_out").c_str(), values_.back());
  }

  Operator op_;
  Format format_ = f32;
  Ort::MemoryInfo memory_{nullptr};
  std::vector<char> cos_;
  std::vector<char> sin_;
  std::vector<int64_t> ids_;
  std::vector<Ort::Value> values_;
  Ort::Session session_{nullptr};
  Ort::IoBinding binding_{nullptr};
  Ort::RunOptions run_options_;
};

}  // namespace

Implementations MakeOnnxRuntime() {
  Implementations implementations;
  implementations.push_back(std::make_unique<OnnxRuntime>(Operator::kContrib));
  implementations.push_back(std::make_unique<OnnxRuntime>(Operator::kOpset23));
  return implementations;
}

}  // namespace simdrope::bench
