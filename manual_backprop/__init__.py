"""Layers of ``torch.nn`` whose backward is written by hand.

Same names, same constructors, same ``state_dict``: replace ``torch.nn.Linear`` by
``manual_backprop.Linear``. The functions behind them are in ``manual_backprop.functional``, the
optimisers in ``manual_backprop.optim``. ``Network`` is the whole network by hand, without autograd.

The equations are those of five lecture notes, which are cited by their titles:

    000  "Back propagation using different loss function"
    001  "The MNIST network by hand"
    002  "Deep Learning"
    003  "Backpropagation"
    004  "How results change with the loss function"
"""

from manual_backprop import functional as functional
from manual_backprop import optim as optim
from manual_backprop.activation.exponential_rectifiers import CELU as CELU
from manual_backprop.activation.exponential_rectifiers import ELU as ELU
from manual_backprop.activation.exponential_rectifiers import SELU as SELU
from manual_backprop.activation.gated import GEGLU as GEGLU
from manual_backprop.activation.gated import GLU as GLU
from manual_backprop.activation.gated import SwiGLU as SwiGLU
from manual_backprop.activation.gelu import GELU as GELU
from manual_backprop.activation.hard import Hardsigmoid as Hardsigmoid
from manual_backprop.activation.hard import Hardswish as Hardswish
from manual_backprop.activation.hard import Hardtanh as Hardtanh
from manual_backprop.activation.hard import ReLU6 as ReLU6
from manual_backprop.activation.identity import Identity as Identity
from manual_backprop.activation.log_sigmoid import LogSigmoid as LogSigmoid
from manual_backprop.activation.mish import Mish as Mish
from manual_backprop.activation.prelu import PReLU as PReLU
from manual_backprop.activation.rectifiers import LeakyReLU as LeakyReLU
from manual_backprop.activation.rectifiers import ReLU as ReLU
from manual_backprop.activation.rectifiers import Threshold as Threshold
from manual_backprop.activation.shrinks import Hardshrink as Hardshrink
from manual_backprop.activation.shrinks import Softshrink as Softshrink
from manual_backprop.activation.shrinks import Tanhshrink as Tanhshrink
from manual_backprop.activation.sigmoids import Sigmoid as Sigmoid
from manual_backprop.activation.sigmoids import Tanh as Tanh
from manual_backprop.activation.smooth_rectifiers import SiLU as SiLU
from manual_backprop.activation.smooth_rectifiers import Softplus as Softplus
from manual_backprop.activation.softmax import LogSoftmax as LogSoftmax
from manual_backprop.activation.softmax import Softmax as Softmax
from manual_backprop.activation.softmin import Softmin as Softmin
from manual_backprop.activation.softsign import Softsign as Softsign
from manual_backprop.affine.activated_linear import ActivatedLinear as ActivatedLinear
from manual_backprop.affine.bilinear import Bilinear as Bilinear
from manual_backprop.affine.linear import Linear as Linear
from manual_backprop.affine.swiglu_linear import SwiGLULinear as SwiGLULinear
from manual_backprop.composition.reversible import Reversible as Reversible
from manual_backprop.convolution.conv import Conv1d as Conv1d
from manual_backprop.convolution.conv import Conv2d as Conv2d
from manual_backprop.convolution.conv import Conv3d as Conv3d
from manual_backprop.convolution.conv_transpose import ConvTranspose1d as ConvTranspose1d
from manual_backprop.convolution.conv_transpose import ConvTranspose2d as ConvTranspose2d
from manual_backprop.convolution.conv_transpose import ConvTranspose3d as ConvTranspose3d
from manual_backprop.convolution.flatten import Flatten as Flatten
from manual_backprop.convolution.flatten import Unflatten as Unflatten
from manual_backprop.distance.cosine_similarity import CosineSimilarity as CosineSimilarity
from manual_backprop.kit.derivation import show_derivations
from manual_backprop.loss.binary_cross_entropy import BCELoss as BCELoss
from manual_backprop.loss.binary_cross_entropy_with_logits import (
    BCEWithLogitsLoss as BCEWithLogitsLoss,
)
from manual_backprop.loss.cosine_embedding import CosineEmbeddingLoss as CosineEmbeddingLoss
from manual_backprop.loss.cross_entropy import CrossEntropyLoss as CrossEntropyLoss
from manual_backprop.loss.gaussian_nll import GaussianNLLLoss as GaussianNLLLoss
from manual_backprop.loss.hinge_embedding import HingeEmbeddingLoss as HingeEmbeddingLoss
from manual_backprop.loss.huber import HuberLoss as HuberLoss
from manual_backprop.loss.huber import SmoothL1Loss as SmoothL1Loss
from manual_backprop.loss.kl_div import KLDivLoss as KLDivLoss
from manual_backprop.loss.l1 import L1Loss as L1Loss
from manual_backprop.loss.margin_ranking import MarginRankingLoss as MarginRankingLoss
from manual_backprop.loss.mse import MSELoss as MSELoss
from manual_backprop.loss.multi_margin import MultiMarginLoss as MultiMarginLoss
from manual_backprop.loss.nll import NLLLoss as NLLLoss
from manual_backprop.loss.poisson_nll import PoissonNLLLoss as PoissonNLLLoss
from manual_backprop.loss.soft_margin import SoftMarginLoss as SoftMarginLoss
from manual_backprop.loss.squared_error import SquaredErrorLoss as SquaredErrorLoss
from manual_backprop.loss.triplet_margin import TripletMarginLoss as TripletMarginLoss
from manual_backprop.network import Network as Network
from manual_backprop.normalization.batch_norm import BatchNorm1d as BatchNorm1d
from manual_backprop.normalization.batch_norm import BatchNorm2d as BatchNorm2d
from manual_backprop.normalization.batch_norm import BatchNorm3d as BatchNorm3d
from manual_backprop.normalization.group_norm import GroupNorm as GroupNorm
from manual_backprop.normalization.instance_norm import InstanceNorm1d as InstanceNorm1d
from manual_backprop.normalization.instance_norm import InstanceNorm2d as InstanceNorm2d
from manual_backprop.normalization.instance_norm import InstanceNorm3d as InstanceNorm3d
from manual_backprop.normalization.layer_norm import LayerNorm as LayerNorm
from manual_backprop.normalization.rms_norm import RMSNorm as RMSNorm
from manual_backprop.pooling.adaptive_avg_pool import AdaptiveAvgPool1d as AdaptiveAvgPool1d
from manual_backprop.pooling.adaptive_avg_pool import AdaptiveAvgPool2d as AdaptiveAvgPool2d
from manual_backprop.pooling.adaptive_avg_pool import AdaptiveAvgPool3d as AdaptiveAvgPool3d
from manual_backprop.pooling.adaptive_max_pool import AdaptiveMaxPool1d as AdaptiveMaxPool1d
from manual_backprop.pooling.adaptive_max_pool import AdaptiveMaxPool2d as AdaptiveMaxPool2d
from manual_backprop.pooling.adaptive_max_pool import AdaptiveMaxPool3d as AdaptiveMaxPool3d
from manual_backprop.pooling.avg_pool import AvgPool1d as AvgPool1d
from manual_backprop.pooling.avg_pool import AvgPool2d as AvgPool2d
from manual_backprop.pooling.avg_pool import AvgPool3d as AvgPool3d
from manual_backprop.pooling.max_pool import MaxPool1d as MaxPool1d
from manual_backprop.pooling.max_pool import MaxPool2d as MaxPool2d
from manual_backprop.pooling.max_pool import MaxPool3d as MaxPool3d
from manual_backprop.regularization.alpha_dropout import AlphaDropout as AlphaDropout
from manual_backprop.regularization.dropout import Dropout as Dropout
from manual_backprop.regularization.feature_dropout import Dropout1d as Dropout1d
from manual_backprop.regularization.feature_dropout import Dropout2d as Dropout2d
from manual_backprop.regularization.feature_dropout import Dropout3d as Dropout3d
from manual_backprop.sequence.embedding import Embedding as Embedding
from manual_backprop.sequence.embedding_bag import EmbeddingBag as EmbeddingBag
from manual_backprop.sequence.gru import GRU as GRU
from manual_backprop.sequence.gru import GRUCell as GRUCell
from manual_backprop.sequence.lstm import LSTM as LSTM
from manual_backprop.sequence.lstm import LSTMCell as LSTMCell
from manual_backprop.sequence.multihead_attention import MultiheadAttention as MultiheadAttention
from manual_backprop.sequence.rnn import RNN as RNN
from manual_backprop.sequence.rnn import RNNCell as RNNCell
from manual_backprop.sequence.rotary import RotaryEmbedding as RotaryEmbedding

__all__ = [name for name in dir() if name[0].isupper()] + ["functional", "optim"]

show_derivations(vars(functional) | vars(optim) | globals())
