// ONNX Runtime on its CPU provider: SimplifiedLayerNormalization and com.microsoft.RotaryEmbedding, Q and K in one
// graph. It has no op that writes rows into a cache that is there already.
#include <stdexcept>

#include "../buffers.h"
#include "../implementations/onnxruntime_session.h"
#include "implementation.h"

namespace simdrope::bench {
namespace {

using Layer = ChainLayer;

class OnnxRuntimeChain : public ChainImplementation {
 public:
  std::string name() const override { return "ort"; }
  std::string Refuses(const ChainCase& c) const override {
    if (c.chain.writes) return "has no op that writes rows in place";
    return c.formats.in == bf16 ? "the CPU provider has no bf16 kernel" : "";
  }
  // The norm is rounded to the format; cos and sin, too.
  double tolerance(const ChainCase& c) const override { return 24 * (c.formats.in == f32 ? 0x1p-24 : 0x1p-11); }

  void Prepare(const ChainJob& job) override {
    const Format format = job.c.formats.in;
    const auto type = OrtTypeOf(format);
    values_.clear();
    memory_ = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
    const int64_t entries = job.c.tokens * Layer::kPairs;
    cos_.resize(static_cast<size_t>(size_of(format, entries)));
    sin_.resize(cos_.size());
    StoreAll(cos_.data(), format, entries, [&](int64_t i) { return job.cos[i]; });
    StoreAll(sin_.data(), format, entries, [&](int64_t i) { return job.sin[i]; });
    ids_.resize(static_cast<size_t>(job.c.tokens));
    for (int64_t t = 0; t < job.c.tokens; ++t) ids_[static_cast<size_t>(t)] = t;

    MakeSession(job);
    binding_ = Ort::IoBinding(session_);
    BindInput("cos", cos_.data(), cos_.size(), {job.c.tokens, Layer::kPairs}, type);
    BindInput("sin", sin_.data(), sin_.size(), {job.c.tokens, Layer::kPairs}, type);
    BindInput("ids", ids_.data(), ids_.size() * sizeof(int64_t), {1, job.c.tokens},
              ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
    Bind(job, "q", job.q, job.q_weight, &q_shape_);
    Bind(job, "k", job.k, job.k_weight, &k_shape_);
  }

  void Run() override { session_.Run(run_options_, binding_); }

 private:
  void MakeSession(const ChainJob& job) {
    const QuietStderr quiet;
    const auto type = OrtTypeOf(job.c.formats.in);
    Ort::Graph graph;
    std::vector<Ort::ValueInfo> inputs, outputs;
    inputs.push_back(OrtDeclare("cos", {job.c.tokens, Layer::kPairs}, type));
    inputs.push_back(OrtDeclare("sin", {job.c.tokens, Layer::kPairs}, type));
    inputs.push_back(OrtDeclare("ids", {1, job.c.tokens}, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64));
    for (const auto& [name, o] : {std::pair{std::string("q"), &job.q}, std::pair{std::string("k"), &job.k}}) {
      inputs.push_back(OrtDeclare(name, {1, job.c.tokens, o->heads, Layer::kHeadDim}, type));
      inputs.push_back(OrtDeclare(name + "_weight", {Layer::kHeadDim}, type));
      inputs.push_back(OrtDeclare(name + "_shape", {3}, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64));
      outputs.push_back(OrtDeclare(name + "_out", {1, job.c.tokens, o->heads * Layer::kHeadDim}, type));
    }
    graph.SetInputs(inputs);
    graph.SetOutputs(outputs);
    for (const auto& [name, o] : {std::pair{std::string("q"), &job.q}, std::pair{std::string("k"), &job.k}}) {
      const auto integer = [](const char* key, int64_t value) { return Ort::OpAttr(key, &value, 1, ORT_OP_ATTR_INT); };
      std::vector<Ort::OpAttr> norm;
      norm.push_back(integer("axis", -1));
      norm.emplace_back("epsilon", &Layer::kEps, 1, ORT_OP_ATTR_FLOAT);
      Ort::Node normalise("SimplifiedLayerNormalization", "", name + "_norm", {name, name + "_weight"},
                          {name + "_normal"}, norm);
      graph.AddNode(normalise);
      std::vector<Ort::OpAttr> none;
      Ort::Node reshape("Reshape", "", name + "_reshape", {name + "_normal", name + "_shape"}, {name + "_rows"}, none);
      graph.AddNode(reshape);
      std::vector<Ort::OpAttr> rotation;
      rotation.push_back(integer("interleaved", 0));
      rotation.push_back(integer("num_heads", o->heads));
      Ort::Node rotate("RotaryEmbedding", "com.microsoft", name + "_rotate", {name + "_rows", "ids", "cos", "sin"},
                       {name + "_out"}, rotation);
      graph.AddNode(rotate);
    }
    Ort::Model model({{"", 21}, {"com.microsoft", 1}});
    model.AddGraph(graph);
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(job.c.threads);
    options.SetExecutionMode(ORT_SEQUENTIAL);
    session_ = Ort::Session(OrtEnvironment(), model, options);
  }

  void BindInput(const std::string& name, const void* data, size_t bytes, const std::vector<int64_t>& shape,
                 ONNXTensorElementDataType type) {
    values_.push_back(
        Ort::Value::CreateTensor(memory_, const_cast<void*>(data), bytes, shape.data(), shape.size(), type));
    binding_.BindInput(name.c_str(), values_.back());
  }
  void Bind(const ChainJob& job, const std::string& name, const ChainOperand& o, const void* weight,
            std::vector<int64_t>* shape) {
    const Format format = job.c.formats.in;
    const int64_t row = o.heads * Layer::kHeadDim;
    const size_t bytes = static_cast<size_t>(size_of(format, job.c.tokens * row));
    *shape = {1, job.c.tokens, row};
    BindInput(name, o.in, bytes, {1, job.c.tokens, o.heads, Layer::kHeadDim}, OrtTypeOf(format));
    BindInput(name + "_weight", weight, static_cast<size_t>(size_of(format, Layer::kHeadDim)), {Layer::kHeadDim},
              OrtTypeOf(format));
    BindInput(name + "_shape", shape->data(), 3 * sizeof(int64_t), {3}, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
    values_.push_back(Ort::Value::CreateTensor(memory_, o.out, bytes, shape->data(), shape->size(), OrtTypeOf(format)));
    binding_.BindOutput((name + "_out").c_str(), values_.back());
  }

  Ort::MemoryInfo memory_{nullptr};
  std::vector<char> cos_, sin_;
  std::vector<int64_t> ids_, q_shape_, k_shape_;
  std::vector<Ort::Value> values_;
  Ort::Session session_{nullptr};
  Ort::IoBinding binding_{nullptr};
  Ort::RunOptions run_options_;
};

}  // namespace

ChainImplementations MakeOnnxRuntimeChains() {
  ChainImplementations implementations;
  implementations.push_back(std::make_unique<OnnxRuntimeChain>());
  return implementations;
}

}  // namespace simdrope::bench
