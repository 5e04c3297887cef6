// simdrope as custom ops of ONNX Runtime's CPU provider: a library for SessionOptions.register_custom_ops_library.
// Domain "simdrope", for float and float16 (all tensors of a node but position_ids have one type):
//   RotaryEmbedding(X, cos_cache, sin_cache, position_ids?)         as ai.onnx, opset 23
//   ContribRotaryEmbedding(input, position_ids, cos_cache, sin_cache)  as com.microsoft, `scale` a factor on cos and
//   sin RotaryCache(X, position_ids, cos_cache, sin_cache, cache, norm_weight?)  -> cache: RMS norm of each head
//   (attribute
//     epsilon; none without norm_weight), rotation, and the write of token (b, s) to row position_ids[b, s] of the
//     cache [B, N, rows, H]. A cache bound to input and output alike is written in place; otherwise it is copied first.
// X is [B, S, N * H] (num_heads says N) or [B, N, S, H]. Work is cut into slices for the session's threads.
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>
#include <simdrope/simdrope.h>

#include <algorithm>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

enum class Kind { kOnnx, kContrib, kCache };

// The parts of the message are put together only where it is needed.
template <class... Parts>
void Require(bool condition, const Parts&... parts) {
  if (condition) return;
  std::ostringstream message;
  (message << ... << parts);
  throw std::invalid_argument(message.str());
}

template <Kind kind>
class Kernel {
 public:
  explicit Kernel(const OrtKernelInfo* handle) {
    const Ort::ConstKernelInfo info(handle);
    interleaved_ = Attribute<int64_t>(info, "interleaved", 0);
    heads_ = Attribute<int64_t>(info, "num_heads", 0);
    rotary_dim_ = Attribute<int64_t>(info, "rotary_embedding_dim", 0);
    scale_ = Attribute<float>(info, "scale", 1.0f);
    epsilon_ = Attribute<float>(info, "epsilon", 1e-6f);
    Require(interleaved_ == 0 || interleaved_ == 1, "interleaved is ", interleaved_);
    Require(rotary_dim_ >= 0 && rotary_dim_ <= SIMDROPE_MAX_HEAD_DIM, "rotary_embedding_dim is ", rotary_dim_);
  }

  OrtStatusPtr ComputeV2(OrtKernelContext* handle) {
    try {
      Compute(Ort::KernelContext(handle));
      return nullptr;
    } catch (const std::exception& failure) {
      return Ort::GetApi().CreateStatus(ORT_INVALID_ARGUMENT, failure.what());
    }
  }

 private:
  template <class T>
  static T Attribute(const Ort::ConstKernelInfo& info, const char* name, T otherwise) {
    try {
      return info.GetAttribute<T>(name);
    } catch (const Ort::Exception&) {
      return otherwise;
    }
  }

  struct Shared {
    simdrope_cos_sin rows;
    simdrope_qkv in, out;
    simdrope_options options;
    std::vector<std::string> failures;
  };

  void Compute(const Ort::KernelContext& context) const {
    constexpr bool ids_first = kind != Kind::kOnnx;
    const Ort::ConstValue x = context.GetInput(0);
    const Ort::ConstValue cos = context.GetInput(ids_first ? 2 : 1), sin = context.GetInput(ids_first ? 3 : 2);
    const size_t ids_index = ids_first ? 1 : 3;
    const Ort::ConstValue ids = context.GetInputCount() > ids_index ? context.GetInput(ids_index) : Ort::ConstValue();
    const bool has_ids = ids && ids.HasValue();
    // Each information is an allocation.
    const Ort::TensorTypeAndShapeInfo x_info = x.GetTensorTypeAndShapeInfo();
    const bool is_float = x_info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    const simdrope_format format = is_float ? SIMDROPE_F32 : SIMDROPE_F16;
    const std::vector<int64_t> shape = x_info.GetShape();
    const std::vector<int64_t> table_shape = cos.GetTensorTypeAndShapeInfo().GetShape();
    Require(shape.size() == 3 || shape.size() == 4, "X has ", shape.size(), " axes, wanted 3 or 4");
    Require(!table_shape.empty() && table_shape == sin.GetTensorTypeAndShapeInfo().GetShape(),
            "cos_cache and sin_cache differ in shape");
    Require(table_shape.size() == (has_ids ? 2 : 3), "cos_cache has ", table_shape.size(), " axes");

    Shared shared = {SIMDROPE_COS_SIN_INIT, SIMDROPE_QKV_INIT, SIMDROPE_QKV_INIT, SIMDROPE_OPTIONS_INIT, {}};
    simdrope_tensor& in = shared.in.q;
    in.format = format;
    in.data = const_cast<void*>(x.GetTensorRawData());
    in.batch = shape[0];
    if (shape.size() == 4) {
      in.heads = shape[1];
      in.seq = shape[2];
      in.head_dim = shape[3];
      in.seq_stride = in.head_dim;
      in.head_stride = in.seq * in.head_dim;
    } else {
      in.heads = heads_;
      if (heads_ == 0) in.heads = shape[2] / (2 * std::max<int64_t>(table_shape.back(), 1));
      Require(in.heads > 0 && shape[2] % in.heads == 0, "X has rows of ", shape[2], " elements for ", in.heads,
              " heads");
      in.seq = shape[1];
      in.head_dim = shape[2] / in.heads;
      in.seq_stride = shape[2];
      in.head_stride = in.head_dim;
    }
    in.batch_stride = in.seq * in.heads * in.head_dim;

    simdrope_cos_sin& rows = shared.rows;
    rows.source = SIMDROPE_TABLE;
    rows.rotary_dim = static_cast<int32_t>(rotary_dim_);
    rows.pairing = interleaved_ != 0 ? SIMDROPE_INTERLEAVED : SIMDROPE_HALF;
    rows.magnitude = scale_;
    rows.table.cos = const_cast<void*>(cos.GetTensorRawData());
    rows.table.sin = const_cast<void*>(sin.GetTensorRawData());
    rows.table.format = format;
    rows.table.columns = static_cast<int32_t>(table_shape.back());
    rows.table.rows = table_shape[table_shape.size() - 2];
    rows.table.row_stride = table_shape.back();
    if (!has_ids) {
      rows.table.batches = table_shape[0];
      rows.table.batch_stride = rows.table.rows * table_shape.back();
    } else {
      const size_t count = ids.GetTensorTypeAndShapeInfo().GetElementCount();
      const int64_t* data = ids.GetTensorData<int64_t>();
      if (kind == Kind::kContrib && count == 1) {
        rows.positions.start = data[0];
      } else {
        Require(static_cast<int64_t>(count) == in.batch * in.seq, "position_ids has ", count, " entries for ",
                in.batch * in.seq, " tokens");
        rows.positions.ids = data;
        rows.positions.ids_batch = in.batch;
        rows.positions.ids_seq = in.seq;
        rows.positions.batch_stride = in.seq;
      }
    }

    simdrope_tensor& out = shared.out.q;
    if constexpr (kind == Kind::kCache) {
      const Ort::ConstValue cache = context.GetInput(4);
      const std::vector<int64_t> sizes = cache.GetTensorTypeAndShapeInfo().GetShape();
      Require(sizes.size() == 4 && sizes[0] == in.batch && sizes[1] == in.heads && sizes[3] == in.head_dim,
              "cache is not [batch, heads, rows, head_dim] of X");
      Require(has_ids, "RotaryCache wants position_ids");
      Ort::UnownedValue result = context.GetOutput(0, sizes);
      void* const to = result.GetTensorMutableRawData();
      if (to != cache.GetTensorRawData()) {
        std::memcpy(to, cache.GetTensorRawData(),
                    cache.GetTensorTypeAndShapeInfo().GetElementCount() * (is_float ? 4 : 2));
      }
      out.data = to;
      out.format = format;
      out.batch = sizes[0];
      out.heads = sizes[1];
      out.seq = sizes[2];
      out.head_dim = sizes[3];
      out.seq_stride = out.head_dim;
      out.head_stride = out.seq * out.head_dim;
      out.batch_stride = out.heads * out.head_stride;
      out.slots.source = SIMDROPE_SLOTS_POSITIONS;
      out.slots.batch = in.batch;
      out.slots.seq = in.seq;
      if (context.GetInputCount() > 5 && context.GetInput(5) && context.GetInput(5).HasValue()) {
        const Ort::ConstValue weight = context.GetInput(5);
        Require(static_cast<int64_t>(weight.GetTensorTypeAndShapeInfo().GetElementCount()) == in.head_dim,
                "norm_weight does not have head_dim entries");
        simdrope_norm& norm = shared.options.q.norm;
        norm.type = SIMDROPE_NORM_RMS;
        norm.eps = epsilon_;
        norm.weight = weight.GetTensorRawData();
        norm.weight_format = format;
      }
    } else {
      out = in;
      out.data = context.GetOutput(0, shape).GetTensorMutableRawData();
    }
    if (in.batch * in.seq * in.heads * in.head_dim == 0) return;

    // A slice for each 64 KB, up to 16: the session's threads take them as they come.
    const int64_t bytes = in.batch * in.batch_stride * (is_float ? 4 : 2);
    const auto slices = static_cast<size_t>(std::clamp<int64_t>(bytes >> 16, 1, 16));
    shared.options.slice_count = static_cast<int64_t>(slices);
    if (slices == 1) {
      const simdrope_status status = simdrope_apply(&shared.rows, &shared.in, &shared.out, &shared.options);
      Require(status == SIMDROPE_OK, "simdrope: ", simdrope_last_error());
      return;
    }
    shared.failures.resize(slices);
    const auto run = [](void* data, size_t index) {
      auto& s = *static_cast<Shared*>(data);
      simdrope_options options = s.options;
      options.slice_index = static_cast<int64_t>(index);
      if (simdrope_apply(&s.rows, &s.in, &s.out, &options) != SIMDROPE_OK) s.failures[index] = simdrope_last_error();
    };
    context.ParallelFor(run, slices, 0, &shared);
    for (const std::string& failure : shared.failures) Require(failure.empty(), "simdrope: ", failure);
  }

  int64_t interleaved_, heads_, rotary_dim_;
  float scale_, epsilon_;
};

template <Kind kind>
struct Op : Ort::CustomOpBase<Op<kind>, Kernel<kind>, true> {
  explicit Op(ONNXTensorElementDataType type) : type_(type) {
    if (kind != Kind::kCache) return;
    this->GetMayInplace = [](int** inputs, int** outputs) -> size_t {
      static int input = 4, output = 0;
      *inputs = &input;
      *outputs = &output;
      return 1;
    };
    this->ReleaseMayInplace = [](int*, int*) {};
  }

  OrtStatusPtr CreateKernelV2(const OrtApi& api, const OrtKernelInfo* info, void** kernel) const {
    try {
      *kernel = new Kernel<kind>(info);
      return nullptr;
    } catch (const std::exception& failure) {
      return api.CreateStatus(ORT_INVALID_ARGUMENT, failure.what());
    }
  }
  const char* GetName() const {
    return kind == Kind::kOnnx ? "RotaryEmbedding" : kind == Kind::kContrib ? "ContribRotaryEmbedding" : "RotaryCache";
  }
  size_t GetInputTypeCount() const { return kind == Kind::kCache ? 6 : 4; }
  ONNXTensorElementDataType GetInputType(size_t index) const {
    return index == (kind == Kind::kOnnx ? 3u : 1u) ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 : type_;
  }
  OrtCustomOpInputOutputCharacteristic GetInputCharacteristic(size_t index) const {
    const bool optional = (kind == Kind::kOnnx && index == 3) || (kind == Kind::kCache && index == 5);
    return optional ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
  }
  size_t GetOutputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetOutputType(size_t) const { return type_; }

 private:
  ONNXTensorElementDataType type_;
};

template <Kind kind>
void AddOps(Ort::CustomOpDomain& domain) {
  static const Op<kind> of_float(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
  static const Op<kind> of_half(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16);
  domain.Add(&of_float);
  domain.Add(&of_half);
}

}  // namespace

// What RegisterCustomOpsLibrary looks for.
extern "C" SIMDROPE_API OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* api) {
  try {
    Ort::InitApi(api->GetApi(ORT_API_VERSION));
    static Ort::CustomOpDomain domain = [] {
      Ort::CustomOpDomain made("simdrope");
      AddOps<Kind::kOnnx>(made);
      AddOps<Kind::kContrib>(made);
      AddOps<Kind::kCache>(made);
      return made;
    }();
    Ort::UnownedSessionOptions(options).Add(domain);
    return nullptr;
  } catch (const std::exception& failure) {
    return api->GetApi(ORT_API_VERSION)->CreateStatus(ORT_FAIL, failure.what());
  }
}
