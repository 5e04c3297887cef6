#include "models.h"

#include <simdrope/io.hpp>

#include "fields.h"

namespace simdrope::python {
namespace {

Ref String(const std::string& text) {
  return Checked(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

Ref MakeLayer(const io::LayerRope& layer) {
  const Ref layers = Checked(PyTuple_New(static_cast<Py_ssize_t>(layer.layers.size())));
  for (size_t i = 0; i < layer.layers.size(); ++i) {
    Checked(
        PyTuple_SetItem(layers.get(), static_cast<Py_ssize_t>(i), Checked(PyLong_FromLong(layer.layers[i])).release()));
  }
  const Ref config = MakeConfig(layer.config);
  const Ref name = String(layer.layer_type);
  return Checked(Py_BuildValue("(OOOO)", name.get(), layer.rotary ? Py_True : Py_False, config.get(), layers.get()));
}

// simdrope::Status as the exception of the C library's statuses; its message may be longer than last_error's.
[[noreturn]] void RaiseStatus(const Status& status) {
  const Ref module = Checked(PyImport_ImportModule("simdrope._errors"));
  const Ref raise = Attribute(module.get(), "for_status");
  const Ref message = String(status.message());
  const Ref error =
      Checked(PyObject_CallFunction(raise.get(), "sO", simdrope_status_name(status.code()), message.get()));
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.get())), error.get());
  throw Raised();
}

}  // namespace

PyObject* ReadModel(PyObject*, PyObject* arguments) {
  return Guard([&]() -> PyObject* {
    const char* text = nullptr;
    Py_ssize_t size = 0;
    int is_json = 0, allow_unknown = 0;
    long long seq_len = 0;
    if (PyArg_ParseTuple(arguments, "s#ppL:read_model", &text, &size, &is_json, &allow_unknown, &seq_len) == 0) {
      throw Raised();
    }
    io::ReadOptions options;
    options.allow_unknown = allow_unknown != 0;
    options.seq_len = seq_len;
    const std::string_view view(text, static_cast<size_t>(size));
    const Result<io::Model> model =
        is_json != 0 ? io::parse_hf_config(view, options) : io::read_model(std::string(view), options);
    if (!model) RaiseStatus(model.status());
    const Ref layers = Checked(PyTuple_New(static_cast<Py_ssize_t>(model->ropes.size())));
    for (size_t i = 0; i < model->ropes.size(); ++i) {
      Checked(PyTuple_SetItem(layers.get(), static_cast<Py_ssize_t>(i), MakeLayer(model->ropes[i]).release()));
    }
    const Ref warnings = Checked(PyTuple_New(static_cast<Py_ssize_t>(model->warnings.size())));
    for (size_t i = 0; i < model->warnings.size(); ++i) {
      Checked(PyTuple_SetItem(warnings.get(), static_cast<Py_ssize_t>(i), String(model->warnings[i]).release()));
    }
    const Ref type = String(model->model_type);
    return Py_BuildValue("(OLiiOO)", type.get(), static_cast<long long>(model->max_position), model->q_heads,
                         model->k_heads, layers.get(), warnings.get());
  });
}

PyObject* ToHfConfig(PyObject*, PyObject* config) {
  return Guard([&] {
    OwnedConfig owned;
    ReadConfig(config, &owned);
    const std::string json = io::to_hf_config(owned.config);
    if (json.empty()) throw std::bad_alloc();
    return String(json).release();
  });
}

}  // namespace simdrope::python
