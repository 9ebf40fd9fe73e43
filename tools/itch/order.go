package itch

// AddOrder puts a displayed order into the book.
type AddOrder struct {
	Header
	Ref    uint64 // the order's number, unique within the day
	Side   Side
	Shares uint32
	Stock  Stock
	Price  Price4
}

// AddOrderMPID is an AddOrder that says whose order it is.
type AddOrderMPID struct {
	AddOrder
	MPID Alpha4
}

// OrderExecuted takes shares off a displayed order, at the order's price.
type OrderExecuted struct {
	Header
	Ref    uint64
	Shares uint32
	Match  uint64 // the execution's number, unique within the day
}

// OrderExecutedPrice is an execution at another price than the order's.
type OrderExecutedPrice struct {
	OrderExecuted
	Printable byte // N if another message, a cross trade's, reports the volume
	Price     Price4
}

// OrderCancel takes shares off an order without an execution.
type OrderCancel struct {
	Header
	Ref    uint64
	Shares uint32 // cancelled, not left
}

// OrderDelete takes an order out of the book.
type OrderDelete struct {
	Header
	Ref uint64
}

// OrderReplace takes an order out and puts another in, of the same stock and
// side, which loses its place in time.
type OrderReplace struct {
	Header
	Ref    uint64
	NewRef uint64
	Shares uint32
	Price  Price4
}

// Trade is an execution of an order that was not displayed. It changes no book.
type Trade struct {
	Header
	Ref    uint64 // 0 since 2010
	Side   Side   // always Buy since 2014
	Shares uint32
	Stock  Stock
	Price  Price4
	Match  uint64
}

// BrokenTrade undoes an execution, in the records and not in the book.
type BrokenTrade struct {
	Header
	Match uint64
}

// Type returns TypeAddOrder.
func (*AddOrder) Type() Type { return TypeAddOrder }
func (m *AddOrder) fields(c *coder) {
	c.u64(&m.Ref)
	c.side(&m.Side)
	c.u32(&m.Shares)
	c.text(m.Stock[:])
	c.price(&m.Price)
}

// Type returns TypeAddOrderMPID.
func (*AddOrderMPID) Type() Type { return TypeAddOrderMPID }
func (m *AddOrderMPID) fields(c *coder) {
	m.AddOrder.fields(c)
	c.text(m.MPID[:])
}

// Type returns TypeOrderExecuted.
func (*OrderExecuted) Type() Type { return TypeOrderExecuted }
func (m *OrderExecuted) fields(c *coder) {
	c.u64(&m.Ref)
	c.u32(&m.Shares)
	c.u64(&m.Match)
}

// Type returns TypeOrderExecutedPrice.
func (*OrderExecutedPrice) Type() Type { return TypeOrderExecutedPrice }
func (m *OrderExecutedPrice) fields(c *coder) {
	m.OrderExecuted.fields(c)
	c.char(&m.Printable)
	c.price(&m.Price)
}

// Type returns TypeOrderCancel.
func (*OrderCancel) Type() Type { return TypeOrderCancel }
func (m *OrderCancel) fields(c *coder) {
	c.u64(&m.Ref)
	c.u32(&m.Shares)
}

// Type returns TypeOrderDelete.
func (*OrderDelete) Type() Type        { return TypeOrderDelete }
func (m *OrderDelete) fields(c *coder) { c.u64(&m.Ref) }

// Type returns TypeOrderReplace.
func (*OrderReplace) Type() Type { return TypeOrderReplace }
func (m *OrderReplace) fields(c *coder) {
	c.u64(&m.Ref)
	c.u64(&m.NewRef)
	c.u32(&m.Shares)
	c.price(&m.Price)
}

// Type returns TypeTrade.
func (*Trade) Type() Type { return TypeTrade }
func (m *Trade) fields(c *coder) {
	c.u64(&m.Ref)
	c.side(&m.Side)
	c.u32(&m.Shares)
	c.text(m.Stock[:])
	c.price(&m.Price)
	c.u64(&m.Match)
}

// Type returns TypeBrokenTrade.
func (*BrokenTrade) Type() Type        { return TypeBrokenTrade }
func (m *BrokenTrade) fields(c *coder) { c.u64(&m.Match) }

// newMessage returns an empty message of a type that exists.
func newMessage(t Type) Message {
	switch t {
	case TypeSystemEvent:
		return new(SystemEvent)
	case TypeStockDirectory:
		return new(StockDirectory)
	case TypeTradingAction:
		return new(TradingAction)
	case TypeRegSHO:
		return new(RegSHO)
	case TypeParticipantPosition:
		return new(ParticipantPosition)
	case TypeMWCBLevels:
		return new(MWCBLevels)
	case TypeMWCBStatus:
		return new(MWCBStatus)
	case TypeIPOQuoting:
		return new(IPOQuoting)
	case TypeLULDCollar:
		return new(LULDCollar)
	case TypeOperationalHalt:
		return new(OperationalHalt)
	case TypeAddOrder:
		return new(AddOrder)
	case TypeAddOrderMPID:
		return new(AddOrderMPID)
	case TypeOrderExecuted:
		return new(OrderExecuted)
	case TypeOrderExecutedPrice:
		return new(OrderExecutedPrice)
	case TypeOrderCancel:
		return new(OrderCancel)
	case TypeOrderDelete:
		return new(OrderDelete)
	case TypeOrderReplace:
		return new(OrderReplace)
	case TypeTrade:
		return new(Trade)
	case TypeCrossTrade:
		return new(CrossTrade)
	case TypeBrokenTrade:
		return new(BrokenTrade)
	case TypeNOII:
		return new(NOII)
	case TypeRPII:
		return new(RPII)
	default:
		return new(DirectListing)
	}
}
