package zoo

// Demo is the name of the small network that comes with the repository.
const Demo = "demo"

// demo is a quarter as wide as torchvision's ResNets: 0.9 million parameters.
func demo() *Arch { return resnet(Demo, bottleneck, 16, 2, 2, 2, 2) }
