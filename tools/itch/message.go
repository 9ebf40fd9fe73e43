package itch

// System event codes, in the order of a day.
const (
	StartOfMessages    byte = 'O'
	StartOfSystemHours byte = 'S'
	StartOfMarketHours byte = 'Q'
	EndOfMarketHours   byte = 'M'
	EndOfSystemHours   byte = 'E'
	EndOfMessages      byte = 'C'
)

// Trading states of a TradingAction.
const (
	Halted        byte = 'H'
	Paused        byte = 'P'
	QuotationOnly byte = 'Q'
	Trading       byte = 'T'
)

// SystemEvent signals a stage of the market's day.
type SystemEvent struct {
	Header
	Event byte // one of the system event codes
}

// StockDirectory introduces a stock and its locate code. One per stock comes
// first each day.
type StockDirectory struct {
	Header
	Stock              Stock
	MarketCategory     byte // listing market and tier: Q G S N A P Z V
	FinancialStatus    byte // N is normal
	RoundLotSize       uint32
	RoundLotsOnly      byte // Y or N
	IssueClass         byte // C is common stock, Q an exchange-traded fund
	IssueSubType       [2]byte
	Authenticity       byte // P is production, T a test
	ShortSaleThreshold byte
	IPO                byte // Y for a new issue's first day
	LULDTier           byte // 1, 2 or space
	ETP                byte
	ETPLeverage        uint32
	Inverse            byte
}

// TradingAction halts a stock, or lets it trade again.
type TradingAction struct {
	Header
	Stock    Stock
	State    byte
	Reserved byte
	Reason   Alpha4
}

// RegSHO says whether short sales of a stock are restricted: 0 no, 1 since
// today, 2 since before.
type RegSHO struct {
	Header
	Stock  Stock
	Action byte
}

// ParticipantPosition is a market maker's registration in a stock.
type ParticipantPosition struct {
	Header
	MPID    Alpha4
	Stock   Stock
	Primary byte // Y for a primary market maker
	Mode    byte // N is normal
	State   byte // A is active
}

// MWCBLevels are the index levels whose breach halts the whole market.
type MWCBLevels struct {
	Header
	Level1, Level2, Level3 Price8
}

// MWCBStatus says that one of the MWCBLevels was breached: 1, 2 or 3.
type MWCBStatus struct {
	Header
	Breached byte
}

// IPOQuoting announces when a new issue is released for quotation.
type IPOQuoting struct {
	Header
	Stock       Stock
	ReleaseTime uint32 // seconds since midnight
	Qualifier   byte   // A is anticipated, C cancelled or postponed
	Price       Price4
}

// LULDCollar bounds the auction that ends a limit-up-limit-down pause.
type LULDCollar struct {
	Header
	Stock                   Stock
	Reference, Upper, Lower Price4
	Extension               uint32 // how often the auction was extended
}

// OperationalHalt halts or resumes a stock on one market alone.
type OperationalHalt struct {
	Header
	Stock  Stock
	Market byte // Q is Nasdaq, B is BX, X is PSX
	Action byte // H or T
}

// CrossTrade is an auction's outcome.
type CrossTrade struct {
	Header
	Shares uint64
	Stock  Stock
	Price  Price4
	Match  uint64
	Cross  byte // O opening, C closing, H halt, pause or new issue
}

// NOII is the net order imbalance before an auction.
type NOII struct {
	Header
	Paired, Imbalance    uint64
	Direction            byte // B, S, N none, O too few orders to say, P paused
	Stock                Stock
	Far, Near, Reference Price4
	Cross                byte
	Variation            byte
}

// RPII says on which sides retail price improvement is on offer.
type RPII struct {
	Header
	Stock    Stock
	Interest byte // B, S, A both, N none
}

// DirectListing is the price discovery of a direct listing with capital raise.
type DirectListing struct {
	Header
	Stock                  Stock
	Eligible               byte // Y or N
	Minimum, Maximum, Near Price4
	NearTime               uint64
	Lower, Upper           Price4
}

// Type returns TypeSystemEvent.
func (*SystemEvent) Type() Type        { return TypeSystemEvent }
func (m *SystemEvent) fields(c *coder) { c.char(&m.Event) }

// Type returns TypeStockDirectory.
func (*StockDirectory) Type() Type { return TypeStockDirectory }
func (m *StockDirectory) fields(c *coder) {
	c.text(m.Stock[:])
	c.char(&m.MarketCategory)
	c.char(&m.FinancialStatus)
	c.u32(&m.RoundLotSize)
	c.char(&m.RoundLotsOnly)
	c.char(&m.IssueClass)
	c.text(m.IssueSubType[:])
	c.char(&m.Authenticity)
	c.char(&m.ShortSaleThreshold)
	c.char(&m.IPO)
	c.char(&m.LULDTier)
	c.char(&m.ETP)
	c.u32(&m.ETPLeverage)
	c.char(&m.Inverse)
}

// Type returns TypeTradingAction.
func (*TradingAction) Type() Type { return TypeTradingAction }
func (m *TradingAction) fields(c *coder) {
	c.text(m.Stock[:])
	c.char(&m.State)
	c.char(&m.Reserved)
	c.text(m.Reason[:])
}

// Type returns TypeRegSHO.
func (*RegSHO) Type() Type { return TypeRegSHO }
func (m *RegSHO) fields(c *coder) {
	c.text(m.Stock[:])
	c.char(&m.Action)
}

// Type returns TypeParticipantPosition.
func (*ParticipantPosition) Type() Type { return TypeParticipantPosition }
func (m *ParticipantPosition) fields(c *coder) {
	c.text(m.MPID[:])
	c.text(m.Stock[:])
	c.char(&m.Primary)
	c.char(&m.Mode)
	c.char(&m.State)
}

// Type returns TypeMWCBLevels.
func (*MWCBLevels) Type() Type { return TypeMWCBLevels }
func (m *MWCBLevels) fields(c *coder) {
	c.price8(&m.Level1)
	c.price8(&m.Level2)
	c.price8(&m.Level3)
}

// Type returns TypeMWCBStatus.
func (*MWCBStatus) Type() Type        { return TypeMWCBStatus }
func (m *MWCBStatus) fields(c *coder) { c.char(&m.Breached) }

// Type returns TypeIPOQuoting.
func (*IPOQuoting) Type() Type { return TypeIPOQuoting }
func (m *IPOQuoting) fields(c *coder) {
	c.text(m.Stock[:])
	c.u32(&m.ReleaseTime)
	c.char(&m.Qualifier)
	c.price(&m.Price)
}

// Type returns TypeLULDCollar.
func (*LULDCollar) Type() Type { return TypeLULDCollar }
func (m *LULDCollar) fields(c *coder) {
	c.text(m.Stock[:])
	c.price(&m.Reference)
	c.price(&m.Upper)
	c.price(&m.Lower)
	c.u32(&m.Extension)
}

// Type returns TypeOperationalHalt.
func (*OperationalHalt) Type() Type { return TypeOperationalHalt }
func (m *OperationalHalt) fields(c *coder) {
	c.text(m.Stock[:])
	c.char(&m.Market)
	c.char(&m.Action)
}

// Type returns TypeCrossTrade.
func (*CrossTrade) Type() Type { return TypeCrossTrade }
func (m *CrossTrade) fields(c *coder) {
	c.u64(&m.Shares)
	c.text(m.Stock[:])
	c.price(&m.Price)
	c.u64(&m.Match)
	c.char(&m.Cross)
}

// Type returns TypeNOII.
func (*NOII) Type() Type { return TypeNOII }
func (m *NOII) fields(c *coder) {
	c.u64(&m.Paired)
	c.u64(&m.Imbalance)
	c.char(&m.Direction)
	c.text(m.Stock[:])
	c.price(&m.Far)
	c.price(&m.Near)
	c.price(&m.Reference)
	c.char(&m.Cross)
	c.char(&m.Variation)
}

// Type returns TypeRPII.
func (*RPII) Type() Type { return TypeRPII }
func (m *RPII) fields(c *coder) {
	c.text(m.Stock[:])
	c.char(&m.Interest)
}

// Type returns TypeDirectListing.
func (*DirectListing) Type() Type { return TypeDirectListing }
func (m *DirectListing) fields(c *coder) {
	c.text(m.Stock[:])
	c.char(&m.Eligible)
	c.price(&m.Minimum)
	c.price(&m.Maximum)
	c.price(&m.Near)
	c.u64(&m.NearTime)
	c.price(&m.Lower)
	c.price(&m.Upper)
}
