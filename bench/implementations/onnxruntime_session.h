// What the adapters of ONNX Runtime share.
#ifndef SIMDROPE_BENCH_IMPLEMENTATIONS_ONNXRUNTIME_SESSION_H_
#define SIMDROPE_BENCH_IMPLEMENTATIONS_ONNXRUNTIME_SESSION_H_

#include <fcntl.h>
#include <onnxruntime_cxx_api.h>
#include <unistd.h>

#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

namespace simdrope::bench {

// Debian's ONNX Runtime registers every ONNX schema twice, and prints a line for each. Errors are exceptions.
class QuietStderr {
 public:
  QuietStderr() : kept_(dup(2)) {
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, 2);
    close(null);
  }
  ~QuietStderr() {
    dup2(kept_, 2);
    close(kept_);
  }

 private:
  int kept_;
};

inline Ort::Env& OrtEnvironment() {
  static Ort::Env environment(ORT_LOGGING_LEVEL_ERROR, "simdrope_bench");
  return environment;
}

inline ONNXTensorElementDataType OrtTypeOf(Format format) {
  return format == f32   ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
         : format == f16 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16
                         : ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16;
}

inline Ort::ValueInfo OrtDeclare(const std::string& name, const std::vector<int64_t>& shape,
                                 ONNXTensorElementDataType type) {
  const std::vector<std::string> no_symbols;
  Ort::TensorTypeAndShapeInfo info(type, shape, &no_symbols);
  const auto type_info = Ort::TypeInfo::CreateTensorInfo(info.GetConst());
  return Ort::ValueInfo(name, type_info.GetConst());
}

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_IMPLEMENTATIONS_ONNXRUNTIME_SESSION_H_
