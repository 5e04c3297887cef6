#include "rope.h"

#include "fields.h"

namespace simdrope::python {
namespace {

struct RopeObject {
  PyObject_HEAD simdrope_rope* rope;
};

PyTypeObject* rope_type = nullptr;

RopeObject* Cast(PyObject* self) { return reinterpret_cast<RopeObject*>(self); }

Ref Adopt(PyTypeObject* type, simdrope_rope* rope) {
  const auto allocate = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc));
  Ref self(allocate(type, 0));
  if (!self) {
    simdrope_rope_release(rope);
    throw Raised();
  }
  Cast(self.get())->rope = rope;
  return self;
}

PyObject* New(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  return Guard([&]() -> PyObject* {
    static const char* names[] = {"config", "shared", nullptr};
    PyObject* config_object = nullptr;
    int shared = 0;
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "O|$p", const_cast<char**>(names), &config_object, &shared) ==
        0) {
      throw Raised();
    }
    OwnedConfig owned;
    ReadConfig(config_object, &owned);
    simdrope_rope* rope = nullptr;
    Check(shared != 0 ? simdrope_get_rope(&owned.config, &rope) : simdrope_rope_create(&owned.config, &rope));
    return Adopt(type, rope).release();
  });
}

void Deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  simdrope_rope_release(Cast(self)->rope);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

simdrope_rope_info InfoOf(PyObject* self) {
  simdrope_rope_info info;
  simdrope_rope_describe(Cast(self)->rope, &info);
  return info;
}

template <class Make>
PyObject* Get(PyObject* self, const Make& make) {
  return Guard([&] { return make(InfoOf(self)); });
}
PyObject* HeadDim(PyObject* self, void*) {
  return Get(self, [](const auto& info) { return PyLong_FromLong(info.head_dim); });
}
PyObject* RotaryDim(PyObject* self, void*) {
  return Get(self, [](const auto& info) { return PyLong_FromLong(info.rotary_dim); });
}
PyObject* RotaryOffset(PyObject* self, void*) {
  return Get(self, [](const auto& info) { return PyLong_FromLong(info.rotary_offset); });
}
PyObject* Split(PyObject* self, void*) {
  return Get(self, [](const auto& info) { return PyLong_FromLong(info.split); });
}
PyObject* Pairs(PyObject* self, void*) {
  return Get(self, [](const auto& info) { return PyLong_FromLong(info.pairs); });
}
PyObject* Axes(PyObject* self, void*) {
  return Get(self, [](const auto& info) { return PyLong_FromLong(info.axes); });
}
PyObject* Pairing(PyObject* self, void*) {
  return Get(self, [](const auto& info) { return PyUnicode_FromString(kPairings.first[info.pairing]); });
}
PyObject* Theta(PyObject* self, void*) {
  return Get(self, [](const auto& info) { return PyFloat_FromDouble(info.theta); });
}
PyObject* AttentionFactor(PyObject* self, void*) {
  return Get(self, [](const auto& info) { return PyFloat_FromDouble(info.attention_factor); });
}
PyObject* DistinctKeys(PyObject* self, void*) {
  return Get(self, [](const auto& info) { return PyBool_FromLong(info.distinct_keys); });
}
PyObject* ScalesQueries(PyObject* self, void*) {
  return Get(self, [](const auto& info) { return PyBool_FromLong(info.scales_queries); });
}
PyObject* Fingerprint(PyObject* self, void*) {
  return PyLong_FromUnsignedLongLong(simdrope_rope_fingerprint(Cast(self)->rope));
}
PyObject* InvFreq(PyObject* self, void*) {
  return Get(self, [](const auto& info) {
    Ref tuple = Checked(PyTuple_New(info.pairs));
    for (int i = 0; i < info.pairs; ++i) {
      Checked(PyTuple_SetItem(tuple.get(), i, Checked(PyFloat_FromDouble(info.inv_freq[i])).release()));
    }
    return tuple.release();
  });
}
PyObject* PairAxis(PyObject* self, void*) {
  return Get(self, [](const auto& info) {
    return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(info.pair_axis), info.pairs);
  });
}

PyGetSetDef getters[] = {
    {"head_dim", HeadDim, nullptr, "elements of one head", nullptr},
    {"rotary_dim", RotaryDim, nullptr, "width of the rotated window", nullptr},
    {"rotary_offset", RotaryOffset, nullptr, "first element of the window", nullptr},
    {"split", Split, nullptr, "distance between the elements of a half pair", nullptr},
    {"pairs", Pairs, nullptr, "rotary_dim / 2", nullptr},
    {"axes", Axes, nullptr, "axes that positions have", nullptr},
    {"pairing", Pairing, nullptr, "\"half\" or \"interleaved\"", nullptr},
    {"theta", Theta, nullptr, "base of the frequencies, as configured", nullptr},
    {"attention_factor", AttentionFactor, nullptr, "multiplies cos and sin", nullptr},
    {"fingerprint", Fingerprint, nullptr, "64 bits of the Config, the same everywhere; 0 of a re-rotation", nullptr},
    {"inv_freq", InvFreq, nullptr, "radians per position of each pair", nullptr},
    {"pair_axis", PairAxis, nullptr, "the position axis of each pair, as bytes", nullptr},
    {"distinct_keys", DistinctKeys, nullptr, "K needs rows of its own (XPos)", nullptr},
    {"scales_queries", ScalesQueries, nullptr, "Q has a factor for each token (temperature)", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("Rope(config, *, shared=False)\n--\n\nA compiled Config.")},
    {Py_tp_new, reinterpret_cast<void*>(New)},
    {Py_tp_dealloc, reinterpret_cast<void*>(Deallocate)},
    {Py_tp_getset, getters},
    {0, nullptr},
};
PyType_Spec spec = {"simdrope._core.Rope", sizeof(RopeObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

Ref MakeRopeType() {
  Ref type = Checked(PyType_FromSpec(&spec));
  rope_type = reinterpret_cast<PyTypeObject*>(NewRef(type.get()).release());
  return type;
}

simdrope_rope* RopeOf(PyObject* object) {
  const int is_rope = PyObject_IsInstance(object, reinterpret_cast<PyObject*>(rope_type));
  Checked(is_rope);
  return is_rope == 1 ? Cast(object)->rope : nullptr;
}

PyObject* Rerotation(PyObject*, PyObject* arguments) {
  return Guard([&]() -> PyObject* {
    PyObject *type, *from, *to;
    unsigned long long fingerprint = 0;
    if (PyArg_ParseTuple(arguments, "OOOK:rerotation", &type, &from, &to, &fingerprint) == 0) throw Raised();
    simdrope_rope* const to_rope = RopeOf(to);
    if (to_rope == nullptr || (!IsNone(from) && RopeOf(from) == nullptr)) {
      Raise(PyExc_TypeError, "rerotation wants Ropes, not %R and %R", from, to);
    }
    simdrope_rope* rope = nullptr;
    Check(simdrope_rope_create_rerotation(IsNone(from) ? nullptr : RopeOf(from), to_rope, fingerprint, &rope));
    return Adopt(reinterpret_cast<PyTypeObject*>(type), rope).release();
  });
}

}  // namespace simdrope::python
